// SPDX-License-Identifier: Apache-2.0
//! SHA256SUMS, SHA512SUMS and MD5SUMS beside an image, as coreutils' programs write and check them.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use md5::Md5;
use sha2::{Digest, Sha256, Sha512};

use super::publish;
use crate::error::{At as _, Error, OrAbsent as _, Result};
use crate::host::tell::Work;
use crate::input;

/// Bytes of a list that is there already.
const LIST_LIMIT: u64 = 16 << 20;

/// The digests of a file, each with the name of the list that it belongs into.
pub type Digests = [(&'static str, String); 3];

/// The digests of the file at `path`, read once.
pub fn of(path: &Path, work: &Work) -> Result<Digests> {
    let mut file = input::open(path)?;
    let (mut sha256, mut sha512, mut md5) = (Sha256::new(), Sha512::new(), Md5::new());
    let (mut buffer, mut done) = (vec![0; 1 << 20], 0);
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other.at("read", path)?,
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        sha256.update(bytes);
        sha512.update(bytes);
        md5.update(bytes);
        done += count as u64;
        work.at(done);
    }
    let hex = |digest: &[u8]| digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok([
        ("SHA256SUMS", hex(&sha256.finalize())),
        ("SHA512SUMS", hex(&sha512.finalize())),
        ("MD5SUMS", hex(&md5.finalize())),
    ])
}

/// Puts the digests of `image` into the lists beside it, in place of what they said of it; other files' lines stay.
///
/// # Errors
/// Malformed where the image's name has a line break; else as the system says.
pub fn write(image: &Path, digests: &Digests) -> Result<()> {
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    if name.contains(['\n', '\r', '\\']) {
        return Err(Error::malformed(format!("{name:?} can't stand in a list of checksums"))
            .help("give the output a name without backslash and line break"));
    }
    let directory = publish::directory(image);
    for (list, digest) in digests {
        let path = directory.join(list);
        let old = input::read(&path, LIST_LIMIT).or_absent()?.unwrap_or_default();
        publish::bytes(&path, with(&String::from_utf8_lossy(&old), digest, &name).as_bytes())?;
    }
    Ok(())
}

/// The list with this line in place of the file's old one.
fn with(list: &str, digest: &str, name: &str) -> String {
    let of =
        |line: &str| line.split_once(' ').map(|(_, rest)| rest.strip_prefix([' ', '*']).unwrap_or(rest).to_owned());
    let mut lines: Vec<String> =
        list.lines().filter(|line| of(line).as_deref() != Some(name)).map(str::to_owned).collect();
    lines.push(format!("{digest}  {name}"));
    lines.join("\n") + "\n"
}

/// Takes the lines of `image` away before it is replaced, so that a list never tells of what is no longer there.
pub fn forget(image: &Path) -> Result<()> {
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    for list in ["SHA256SUMS", "SHA512SUMS", "MD5SUMS"] {
        let path = publish::directory(image).join(list);
        if let Ok(old) = fs::read_to_string(&path) {
            let new = with(&old, "", &name);
            let kept = new.strip_suffix(&format!("  {name}\n")).unwrap_or(&new);
            if kept.len() < old.len() {
                publish::bytes(&path, kept.as_bytes())?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tell::Teller;

    #[test]
    fn coreutils_programs_confirm_the_lists() {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("an image.qcow2");
        fs::write(directory.path().join("SHA256SUMS"), "00  other\n11 *an image.qcow2\n").unwrap();
        fs::write(&image, vec![7; 3 << 20]).unwrap();
        let digests = of(&image, &Teller::new(true).work("summing", None)).unwrap();
        write(&image, &digests).unwrap();
        let list = fs::read_to_string(directory.path().join("SHA256SUMS")).unwrap();
        assert_eq!(list.lines().count(), 2);
        assert!(list.starts_with("00  other\n"), "{list}");
        for (program, list) in [("sha512sum", "SHA512SUMS"), ("md5sum", "MD5SUMS")] {
            let checked =
                std::process::Command::new(program).args(["-c", list]).current_dir(directory.path()).output().unwrap();
            assert!(checked.status.success(), "{program}");
        }
        forget(&image).unwrap();
        assert_eq!(fs::read_to_string(directory.path().join("SHA256SUMS")).unwrap(), "00  other\n");
        assert_eq!(fs::read_to_string(directory.path().join("MD5SUMS")).unwrap(), "");
    }

    #[test]
    fn a_name_that_would_be_two_lines_is_refused() {
        let digests = of(Path::new("/dev/null"), &Teller::new(true).work("summing", None)).unwrap();
        assert!(write(Path::new("/tmp/a\nb"), &digests).is_err());
    }
}
