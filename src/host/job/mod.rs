// SPDX-License-Identifier: Apache-2.0
//! A job in a guest: a script is carried in by a seed, its end comes back over virtio-serial, its results on a disk.
