// SPDX-License-Identifier: Apache-2.0
//! Tars as a guest could write them, honest and hostile.

use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use proptest::prelude::*;
use tar::{Builder, Header};

use super::*;

const OUTPUT: &str = "./var/lib/firstlight-job/output";

struct Disk {
    scratch: tempfile::TempDir,
    tar: Builder<Vec<u8>>,
}

impl Disk {
    fn new() -> Self {
        Self { scratch: tempfile::tempdir().unwrap(), tar: Builder::new(Vec::new()) }
    }

    /// A member of $JOB_OUTPUT with its name as it is, also one that this crate would not write.
    fn member(mut self, kind: EntryType, name: &str, link: &str, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o4750);
        header.set_size(content.len() as u64);
        let name = format!("{OUTPUT}/{name}");
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.tar.append(&header, content).unwrap();
        self
    }

    fn unpack_with(self, limit: u64, sha256: Option<&str>) -> (tempfile::TempDir, Result<Vec<PathBuf>>) {
        let bytes = self.tar.into_inner().unwrap();
        let disk = self.scratch.path().join("disk");
        fs::write(&disk, &bytes).unwrap();
        File::options().write(true).open(&disk).unwrap().set_len(1 << 30).unwrap();
        let sha256 = sha256.map_or_else(|| crate::digest::sha256(&bytes), str::to_owned);
        let archive = said::Archive { tar: 0, disk: 0, size: bytes.len() as u64, sha256 };
        let to = self.scratch.path().join("to");
        fs::create_dir(&to).unwrap();
        let files = unpack(&disk, &archive, &Outputs::new(&[]).unwrap(), limit, &to);
        (self.scratch, files)
    }

    fn refusal(self) -> String {
        let (scratch, files) = self.unpack_with(1 << 20, None);
        assert!(!scratch.path().join("escaped").exists());
        files.unwrap_err().to_string()
    }
}

#[test]
fn files_links_and_directories_come_out_readable_and_without_special_bits() {
    let disk = Disk::new()
        .member(EntryType::Directory, "", "", b"")
        .member(EntryType::Regular, "deep/er/x", "", b"one")
        .member(EntryType::Link, "deep/y", &format!("{OUTPUT}/deep/er/x"), b"")
        .member(EntryType::Symlink, "deep/er/z", "../y", b"")
        .member(EntryType::Regular, "manifest.json", "", b"{}");
    let (scratch, files) = disk.unpack_with(1 << 20, None);
    let names = ["deep/er/x", "deep/y", "job-manifest.json"];
    assert_eq!(files.unwrap(), names.map(PathBuf::from));
    let to = scratch.path().join("to");
    assert_eq!(fs::read(to.join("deep/er/z")).unwrap(), b"one");
    assert_eq!(fs::metadata(to.join("deep/y")).unwrap().mode() & 0o7777, 0o754);
    assert_eq!(fs::metadata(to.join("deep")).unwrap().mode() & 0o7777, 0o755);
}

#[test]
fn what_leads_out_or_is_no_file_is_refused() {
    use EntryType as T;
    let outside = "was not asked for";
    let out = "is a link that leads out";
    for (kind, name, link, told) in [
        (T::Regular, "../../../../escaped", "", outside),
        (T::Regular, "x/../../y", "", outside),
        (T::Symlink, "l", "/etc/shadow", out),
        (T::Symlink, "l", "../x", out),
        (T::Symlink, "d/l", "a/../../x", out),
        (T::Symlink, "d/l", "", "is a link to nothing"),
        (T::Link, "l", "/etc/shadow", "not among the results"),
        (T::Char, "null", "", "is no file"),
        (T::Block, "sda", "", "is no file"),
        (T::Fifo, "pipe", "", "is no file"),
    ] {
        let told_instead = Disk::new().member(kind, name, link, b"").refusal();
        assert!(told_instead.contains(told), "{name} {link}: {told_instead}");
    }
    // Behind a link that was taken there is no way either.
    let through = Disk::new().member(T::Symlink, "l", "d", b"").member(T::Regular, "l/x", "", b"x").refusal();
    assert!(through.contains("cannot make"), "{through}");
    let twice = Disk::new().member(T::Symlink, "l", "d", b"").member(T::Regular, "l", "", b"x").refusal();
    assert!(twice.contains("is there twice"), "{twice}");
}

#[test]
fn too_much_or_another_content_is_refused() {
    let large = Disk::new().member(EntryType::Regular, "x", "", &[7; 4096]);
    assert!(large.unpack_with(4095, None).1.unwrap_err().to_string().contains("--results-size"));
    let other = Disk::new().member(EntryType::Regular, "x", "", b"x");
    let told = other.unpack_with(4096, Some("00")).1.unwrap_err().to_string();
    assert!(told.contains("not those that the guest reported"), "{told}");
    let name = vec![b'n'; (HEADERS + 4096) as usize];
    let long = Disk::new().member(EntryType::GNULongName, "x", "", &name).refusal();
    assert!(long.contains("headers are too long"), "{long}");
}

#[test]
fn holes_of_gnu_tar_stay_holes() {
    let scratch = tempfile::tempdir().unwrap();
    let output = scratch.path().join("var/lib/firstlight-job/output");
    fs::create_dir_all(&output).unwrap();
    let file = File::create(output.join("disk.img")).unwrap();
    file.set_len(64 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"end", (64 << 20) - 3).unwrap();
    let tar = scratch.path().join("tar");
    let made = Command::new("tar")
        .args(["-c", "-S", "--format=gnu", "-f"])
        .arg(&tar)
        .arg("-C")
        .arg(scratch.path())
        .arg(OUTPUT)
        .status();
    assert!(made.unwrap().success());
    let bytes = fs::read(&tar).unwrap();
    let archive = said::Archive { tar: 0, disk: 0, size: bytes.len() as u64, sha256: crate::digest::sha256(&bytes) };
    let to = scratch.path().join("to");
    fs::create_dir(&to).unwrap();
    unpack(&tar, &archive, &Outputs::new(&[]).unwrap(), 64 << 20, &to).unwrap();
    let taken = fs::metadata(to.join("disk.img")).unwrap();
    assert_eq!(taken.len(), 64 << 20);
    assert!(taken.blocks() * 512 < 1 << 20, "{} blocks", taken.blocks());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_tar_is_refused_or_stays_inside(place in 0usize..4096, bytes in proptest::collection::vec(any::<u8>(), 1..64)) {
        let disk = Disk::new()
            .member(EntryType::Directory, "d", "", b"")
            .member(EntryType::Symlink, "d/l", "x", b"")
            .member(EntryType::Regular, "d/x", "", b"content");
        let mut tar = disk.tar.into_inner().unwrap();
        let end = tar.len().min(place + bytes.len());
        if let Some(part) = tar.get_mut(place..end) {
            part.copy_from_slice(&bytes[..end - place]);
        }
        let path = disk.scratch.path().join("disk");
        fs::write(&path, &tar).unwrap();
        let archive = said::Archive { tar: 0, disk: 0, size: tar.len() as u64, sha256: crate::digest::sha256(&tar) };
        let to = disk.scratch.path().join("to");
        fs::create_dir(&to).unwrap();
        let _ = unpack(&path, &archive, &Outputs::new(&[]).unwrap(), 1 << 20, &to);
        prop_assert_eq!(fs::read_dir(disk.scratch.path()).unwrap().count(), 2);
    }
}
