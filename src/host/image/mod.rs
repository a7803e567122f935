// SPDX-License-Identifier: Apache-2.0
//! Disk images: what one is (format, partitions, file systems), reading files out of it without mounting, overlays over it,
//! converting it, and its checksums.
//!
//! Raw and qcow2 are read by this program itself; whatever writes an image is qemu-img's.

pub mod checksums;
pub mod disk;
pub mod kernel;
pub mod outside;
pub mod partitions;
pub mod publish;
mod qcow2;
pub mod roots;
mod starts;
pub mod tool;
pub mod unpack;
pub mod versions;
pub mod window;

pub use disk::{Disk, Format};
pub use kernel::boot_files;
pub use starts::{Starts, starts_by};
