#!/bin/sh
ln -s /inside "$1/out/etc"
