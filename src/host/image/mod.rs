// SPDX-License-Identifier: Apache-2.0
//! Disk images: what one is (format, partitions, file systems), overlays over it, converting it, reading files out of it
//! without mounting, and its checksums.
