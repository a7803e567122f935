// SPDX-License-Identifier: Apache-2.0
//! Whether KVM really runs guests here: it may be there, open, and then stand still, as in guests of clouds.
//!
//! A guest of one sector: started by the firmware it goes to 64-bit mode as every kernel does, counts, and switches itself
//! off. A processor does that in a quarter of a second, emulation in half of one; where each instruction leaves the guest
//! for another hypervisor, it does not come to its end.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Accelerator, Disk, Event, Guest, Machine};
use crate::error::{At as _, Error, Result};
use crate::host::scratch::Scratch;

const DEVICE: &str = "/dev/kvm";
/// Generous for a busy machine.
const PATIENCE: Duration = Duration::from_secs(3);

/// Runs at 0x7c00.
#[rustfmt::skip]
const SECTOR: &[u8] = &[
    0xfa,                                     // cli
    0x31, 0xc0,                               // xor ax, ax
    0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0,       // mov ds, ax; mov es, ax; mov ss, ax
    0xfc,                                     // cld
    0xbf, 0x00, 0x10, 0xb9, 0x00, 0x18,       // mov di, 0x1000; mov cx, 0x1800
    0xf3, 0xab,                               // rep stosw                 three empty page tables
    0xc7, 0x06, 0x00, 0x10, 0x03, 0x20,       // mov word [0x1000], 0x2003
    0xc7, 0x06, 0x00, 0x20, 0x03, 0x30,       // mov word [0x2000], 0x3003
    0xc7, 0x06, 0x00, 0x30, 0x83, 0x00,       // mov word [0x3000], 0x0083 one page of 2 MiB
    0x66, 0x0f, 0x01, 0x16, 0x98, 0x7c,       // lgdt [table]
    0x0f, 0x20, 0xe0, 0x0c, 0x20,             // mov eax, cr4; or al, PAE
    0x0f, 0x22, 0xe0,                         // mov cr4, eax
    0x66, 0xb8, 0x00, 0x10, 0x00, 0x00,       // mov eax, 0x1000
    0x0f, 0x22, 0xd8,                         // mov cr3, eax
    0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0,       // mov ecx, EFER
    0x0f, 0x32, 0x80, 0xcc, 0x01, 0x0f, 0x30, // rdmsr; or ah, LME; wrmsr
    0x0f, 0x20, 0xc0,                         // mov eax, cr0
    0x66, 0x0d, 0x01, 0x00, 0x00, 0x80,       // or eax, PG | PE
    0x0f, 0x22, 0xc0,                         // mov cr0, eax
    0xea, 0x59, 0x7c, 0x08, 0x00,             // jmp 8:0x7c59              64 bits from here
    0xbf, 0x00, 0x00, 0x10, 0x00, 0x89, 0xfe, // mov edi, 1 MiB; mov esi, edi
    0xb9, 0x00, 0x00, 0x02, 0x00, 0x89, 0xc8, // mov ecx, 0x20000; mov eax, ecx
    0xf3, 0x48, 0xab,                         // rep stosq                 fill 1 MiB
    0xb9, 0x00, 0xe1, 0xf5, 0x05,             // mov ecx, 100000000
    0x01, 0x0e,                               // add [rsi], ecx
    0xff, 0xc9, 0x75, 0xfa,                   // dec ecx; jnz the addition
    0x66, 0xba, 0x04, 0x06,                   // mov dx, 0x604             the power switch of `-M pc`
    0x66, 0xb8, 0x00, 0x20,                   // mov ax, 0x2000
    0x66, 0xef,                               // out dx, ax
    0xf4, 0xeb, 0xfd,                         // hlt, and again
    0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00,       // padding
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // the table: nothing,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x9a, 0x20, 0x00, // 64-bit code
    0x0f, 0x00, 0x88, 0x7c, 0x00, 0x00,       // its size and place
];
/// Firmware takes a sector that ends like this for a boot loader, on a disk that is not too small for its geometry.
const SIGNATURE: [u8; 2] = [0x55, 0xaa];
const DISK_SIZE: u64 = 1024 * 1024;

/// Whether KVM runs guests.
///
/// # Errors
/// Why it does not.
pub fn kvm(program: &Path, scratch: &Scratch) -> Result<()> {
    OpenOptions::new().read(true).write(true).open(DEVICE).map(drop).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::absent(format!("there is no {DEVICE}")),
        io::ErrorKind::PermissionDenied => {
            Error::fatal(format!("this user may not open {DEVICE}")).help("add the user to the group kvm")
        }
        _ => Error::fatal(format!("cannot open {DEVICE}")).because(error),
    })?;
    runs(program, Accelerator::Kvm, PATIENCE, scratch)
}

fn runs(program: &Path, accelerator: Accelerator, patience: Duration, scratch: &Scratch) -> Result<()> {
    let path = scratch.path().join(format!("probe-{accelerator}"));
    let outcome = disk(&path).and_then(|()| {
        let disk = Disk { path: path.clone(), format: "raw".to_owned(), read_only: true, ..Disk::default() };
        let machine = Machine {
            name: "probe".to_owned(),
            memory_mib: 64,
            processors: 1,
            disks: vec![disk],
            ..Machine::default()
        };
        let deadline = Instant::now() + patience;
        let mut guest = Guest::launch(program, &machine, accelerator, scratch)?;
        while let Some(event) = guest.next(deadline)? {
            match event {
                Event::Shutdown => return Ok(()),
                Event::Exited(status, said) => {
                    let said = said.lines().next_back().unwrap_or_default();
                    return Err(Error::fatal(format!("QEMU ended with {status}: {said}")));
                }
                Event::Interrupted => break,
                _ => {}
            }
        }
        Err(Error::fatal(format!("a guest that only counts does not come to its end within {} s", patience.as_secs())))
    });
    let _ = fs::remove_file(&path);
    outcome
}

fn disk(path: &Path) -> Result<()> {
    let file = File::create(path).at("make", path)?;
    file.set_len(DISK_SIZE).at("make", path)?;
    file.write_all_at(SECTOR, 0).at("write", path)?;
    file.write_all_at(&SIGNATURE, 510).at("write", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code names places in itself by their address; a byte more or less above them breaks it.
    #[test]
    fn the_sectors_own_addresses_are_right() {
        let at = |address: usize| &SECTOR[address - 0x7c00..];
        assert_eq!(at(0x7c59)[..5], [0xbf, 0x00, 0x00, 0x10, 0x00], "64-bit code");
        assert_eq!(at(0x7c98)[..6], [0x0f, 0x00, 0x88, 0x7c, 0x00, 0x00], "the table's size and place");
        assert_eq!(at(0x7c88)[..8], [0; 8], "the table");
        assert!(SECTOR.len() <= 510 - 64, "the partition table's place stays free");
    }
}
