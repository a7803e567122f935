// SPDX-License-Identifier: Apache-2.0
//! What a program's file says of itself: for which processor it is, and whether it runs without anything beside it.

use std::path::Path;

use crate::error::{Error, Result};
use crate::input;
use crate::media::bytes::{Bytes, u8_at, u16_at, u32_at};

/// The segment that names the loader of a dynamic program (elf(5)).
const PT_INTERP: u32 = 3;
/// Program headers that are looked at; linkers make about ten.
const HEADERS: u16 = 256;
/// Numbers of processors, and what people call them.
const MACHINES: &[(u16, &str)] =
    &[(62, "x86-64"), (183, "arm64"), (3, "i386"), (40, "arm"), (243, "riscv64"), (21, "ppc64"), (22, "s390x")];

/// A program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    machine: u16,
    /// It needs no loader and so no libraries.
    pub is_static: bool,
}

impl Program {
    /// What the file at `path` is.
    ///
    /// # Errors
    /// Absent; malformed where it is no program for Linux.
    pub fn of(path: &Path) -> Result<Self> {
        let file = input::open(path)?;
        let mut head = vec![0; 64];
        // A file of fewer bytes is refused by what is not in it.
        let _ = Bytes::read_at(&file, 0, &mut head);
        let little = u8_at(&head, 5) == 1;
        if !head.starts_with(b"\x7fELF") {
            return Err(Error::malformed(format!("{} is no program: it is not an ELF file", path.display())));
        }
        if !little {
            // s390x alone is big-endian among those that the agent is built for; its headers are not looked into.
            return Ok(Self { machine: u16_at(&head, 18).swap_bytes(), is_static: true });
        }
        let (table, length, count) = match u8_at(&head, 4) {
            2 => {
                let high = u64::from(u32_at(&head, 36)) << 32;
                (high | u64::from(u32_at(&head, 32)), u16_at(&head, 54), u16_at(&head, 56))
            }
            _ => (u32_at(&head, 28).into(), u16_at(&head, 42), u16_at(&head, 44)),
        };
        let mut is_static = true;
        for index in 0..count.min(HEADERS) {
            let at = table.saturating_add(u64::from(index) * u64::from(length));
            is_static &= u32_at(&file.take(at, 4).map_err(|error| error.while_doing(path.display()))?, 0) != PT_INTERP;
        }
        Ok(Self { machine: u16_at(&head, 18), is_static })
    }

    /// The processor that it is for.
    pub fn machine(self) -> String {
        let known = MACHINES.iter().find(|(number, _)| *number == self.machine);
        known.map_or_else(|| format!("processor {}", self.machine), |(_, name)| (*name).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(segments: &[u32]) -> Result<Program> {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[18] = 183;
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = u8::try_from(segments.len()).unwrap();
        for kind in segments {
            bytes.extend(kind.to_le_bytes());
            bytes.extend([0; 52]);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        Program::of(file.path())
    }

    #[test]
    fn a_loader_makes_a_program_dynamic() {
        let fixed = of(&[6, 1]).unwrap();
        assert_eq!((fixed.machine().as_str(), fixed.is_static), ("arm64", true));
        assert!(!of(&[6, PT_INTERP, 1]).unwrap().is_static);
    }

    #[test]
    fn what_is_no_program_is_refused() {
        let error = Program::of(Path::new("/etc/passwd")).unwrap_err().to_string();
        assert!(error.contains("is no program"), "{error}");
        assert!(Program::of(Path::new("/nonexistent/program")).unwrap_err().is_absent());
    }
}
