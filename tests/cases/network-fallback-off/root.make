#!/bin/sh
# An image that brings no network of its own.
rm "$1/usr/lib/systemd/network/89-ethernet.network"
