// SPDX-License-Identifier: Apache-2.0
//! `firstlight detect` on machines of real platforms, each a text file tests/machines/NAME:
//!
//!     # Where the facts are from, or what is special
//!     dmi/sys_vendor = QEMU               a file, a program below bin/; dmi/ is sys/class/dmi/id/; `\0` is a zero byte, `\n` a new line
//!     sr0: iso9660 cidata nocloud         a device with a file system of that label (`-` for none) and that tree, as the
//!                                         usual tools make it; or `disk`, for one with neither
//!     dev/lxd/sock: socket                the socket of LXD's or Incus's API
//!     options: --json                     what else is said to the program
//!     ---
//!     what the program says
//!
//! `FIRSTLIGHT_BLESS=1 cargo test --test machines` rewrites what it says; `FIRSTLIGHT_MACHINE=NAME` looks at one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test's panic is its verdict

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

const TREES: [(&str, &str, &str); 5] = [
    ("openstack", "openstack/latest/meta_data.json", "{\"uuid\": \"83679162-1378-4288-a2d4-70e13ec132aa\"}\n"),
    ("nocloud", "meta-data", "instance-id: iid-local01\n"),
    ("nocloud", "user-data", "#cloud-config\n{}\n"),
    ("context", "context.sh", "ETH0_IP=192.0.2.7\n"),
    ("ovf", "ovf-env.xml", OVF),
];

/// As vCloud Director writes it, as far as it matters.
const OVF: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1"
    xmlns:oe="http://schemas.dmtf.org/ovf/environment/1" oe:id="">
  <PropertySection>
    <Property oe:key="instance-id" oe:value="i-ovf"/>
    <Property oe:key="hostname" oe:value="web"/>
  </PropertySection>
</Environment>
"#;

#[test]
fn machines_of_real_platforms_are_told_apart() {
    let machines = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines");
    let only = std::env::var("FIRSTLIGHT_MACHINE").ok();
    let bless = std::env::var_os("FIRSTLIGHT_BLESS").is_some();
    let mut names: Vec<String> =
        fs::read_dir(&machines).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.retain(|name| only.as_ref().is_none_or(|only| only == name));
    assert!(only.is_some() || names.len() >= 40, "the machines have gone");
    let mut wrong = String::new();
    for name in &names {
        let path = machines.join(name);
        let text = fs::read_to_string(&path).unwrap();
        let (machine, expected) = text.split_once("---\n").unwrap_or((&text, ""));
        let said = detect(name, machine);
        if bless {
            fs::write(&path, format!("{machine}---\n{said}")).unwrap();
        } else if said != expected {
            let diff = similar::TextDiff::from_lines(expected, &said).unified_diff().to_string();
            wrong.push_str(&format!("{name}\n{diff}\n"));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// What the program says of a machine.
fn detect(name: &str, machine: &str) -> String {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("root");
    fs::create_dir_all(root.join("dev")).unwrap();
    let mut options = "";
    for line in machine.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some((path, text)) = line.split_once(" = ") {
            let text = text.replace("\\0", "\0").replace("\\n", "\n") + "\n";
            let place = root.join(path.replace("dmi/", "sys/class/dmi/id/"));
            write(&place, text.as_bytes());
            let mode = if path.contains("bin/") { 0o755 } else { 0o644 };
            fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
        } else if let Some((what, how)) = line.split_once(": ") {
            match how.split_whitespace().collect::<Vec<_>>().as_slice() {
                _ if what == "options" => options = how,
                ["socket"] => {
                    fs::create_dir_all(root.join(what).parent().unwrap()).unwrap();
                    devlxd(UnixListener::bind(root.join(what)).unwrap());
                }
                ["disk"] => device(&root, what, |image| write(image, &[0; 4096])),
                [kind, label, tree] => device(&root, what, |image| format(image, kind, label, tree)),
                _ => panic!("{name}: {line}"),
            }
        } else {
            panic!("{name}: {line}");
        }
    }
    let output = Command::new(env!("CARGO_BIN_EXE_firstlight"))
        .args(["detect", "--as-machine", "--root"])
        .arg(&root)
        .args(options.split_whitespace())
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{name}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{name}");
    let said = String::from_utf8(output.stdout).unwrap();
    without_times(&said.replace(&*root.to_string_lossy(), ""))
}

fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// A block device as the kernel lists it, with an image in place of its node.
fn device(root: &Path, name: &str, make: impl Fn(&Path)) {
    make(&root.join("dev").join(name));
    let facts = root.join("sys/class/block").join(name);
    write(&facts.join("size"), b"2048\n");
    if name.starts_with("sr") {
        write(&facts.join("device/type"), b"5\n");
    }
    // sda1, vdb1, nvme0n1p1, mmcblk0p1
    if name.contains(['s', 'v', 'p']) && name.ends_with(|c: char| c.is_ascii_digit()) && !name.starts_with("sr") {
        let is_whole =
            name.starts_with("nvme") && !name.contains('p') || name.starts_with("mmcblk") && !name.contains('p');
        if !is_whole {
            write(&facts.join("partition"), b"1\n");
        }
    }
}

/// Answers as the host of a container does which has meta-data alone.
fn devlxd(listener: UnixListener) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut head) = (stream.unwrap(), String::new());
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            while lines.read_line(&mut head).is_ok_and(|length| length > 2) {}
            let (status, body) = match head.split_whitespace().nth(1) {
                Some("/1.0/meta-data") => ("200 OK", "#cloud-config\ninstance-id: i-lxd\nlocal-hostname: web\n"),
                Some("/1.0/config") => ("200 OK", "[]"),
                Some("/1.0") => ("200 OK", r#"{"api_version": "1.0"}"#),
                _ => ("404 Not Found", ""),
            };
            let length = body.len();
            let _ = stream.write_all(
                format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes(),
            );
        }
    });
}

/// A small file system with that tree on it.
fn format(image: &Path, kind: &str, label: &str, tree: &str) {
    let scratch = tempfile::tempdir().unwrap();
    for (_, path, text) in TREES.iter().filter(|(name, ..)| *name == tree) {
        write(&scratch.path().join(path), text.as_bytes());
    }
    match kind {
        "iso9660" => {
            let label = if label == "-" { vec![] } else { vec!["-V", label] };
            run(Command::new("genisoimage")
                .args(["-quiet", "-J", "-r"])
                .args(label)
                .arg("-o")
                .arg(image)
                .arg(scratch.path()));
        }
        "vfat" => {
            write(image, &[0; 1 << 16]);
            run(Command::new("mkfs.vfat").args(["-n", label]).arg(image));
            for entry in fs::read_dir(scratch.path()).unwrap() {
                run(Command::new("mcopy").args(["-s", "-i"]).arg(image).arg(entry.unwrap().path()).arg("::"));
            }
        }
        _ => panic!("no such file system: {kind}"),
    }
}

fn run(command: &mut Command) {
    let output =
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output().expect("genisoimage, dosfstools and mtools");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Times differ from run to run.
fn without_times(text: &str) -> String {
    let mut lines = String::new();
    for line in text.lines() {
        let line = line.split_once("\"seconds\": ").map_or(line, |(before, _)| before);
        let cut = line.rfind(" (").filter(|_| line.ends_with(" ms)"));
        lines.push_str(cut.map_or(line, |end| &line[..end]).trim_end());
        lines.push('\n');
    }
    lines
}
