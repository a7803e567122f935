// SPDX-License-Identifier: Apache-2.0
//! The readers against images that the field's tools made, and against damaged ones.

use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::fixtures::*;
use super::*;

const LIMIT: u64 = 1 << 20;

fn image(fixture: &Fixture) -> Image<Vec<u8>> {
    Image::open(fixture.image()).unwrap().unwrap()
}

fn all() -> [(&'static str, Fixture); 7] {
    [
        ("nova", NOVA_ISO),
        ("joliet", JOLIET_ISO),
        ("plain", PLAIN_ISO),
        ("rock ridge", ROCK_RIDGE_ISO),
        ("fat12", FAT12),
        ("fat16", VFAT),
        ("fat32", FAT32),
    ]
}

fn text(medium: &impl Medium, path: &str) -> Option<String> {
    medium.read(path, LIMIT).unwrap().map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn every_medium_gives_the_same_files() {
    for (name, fixture) in all() {
        let image = image(&fixture);
        assert_eq!(image.labels(), ["config-2"], "{name}");
        let versions = image.list("openstack").unwrap();
        assert!(["2018-08-27", "content", "latest"].iter().all(|dir| versions.iter().any(|v| v == dir)), "{name}");
        let user_data = text(&image, "openstack/latest/user_data").unwrap();
        assert!(user_data.starts_with("#cloud-config\n# line 00001 "), "{name}");
        assert!(user_data.ends_with("# line 00200 of a comment that makes this file longer\n"), "{name}");
        assert_eq!(text(&image, "openstack/content/0000").as_deref(), Some("edge\n"), "{name}");
        assert_eq!(image.list("openstack/2018-08-27").unwrap(), ["meta_data.json", "network_data.json", "user_data"]);
        assert_eq!(text(&image, "openstack/latest/vendor_data.json"), None, "{name}");
        assert_eq!(text(&image, "openstack/latest"), None, "{name}: a directory is no file");
        assert_eq!(image.list("openstack/latest/user_data").unwrap(), [""; 0], "{name}: a file is no directory");
        assert_eq!(image.list("ec2/latest").unwrap(), [""; 0], "{name}");
    }
}

#[test]
fn a_file_above_its_limit_is_named() {
    for (name, fixture) in all() {
        let error = image(&fixture).read("openstack/latest/user_data", 100).unwrap_err().to_string();
        assert!(error.starts_with("openstack/latest/user_data has "), "{name}: {error}");
        assert!(error.ends_with("at most 100 are read"), "{name}: {error}");
    }
}

#[test]
fn rock_ridge_names_links_and_moved_directories() {
    let image = image(&ROCK_RIDGE_ISO);
    let long = format!("{:0250}", 7);
    assert_eq!(text(&image, &long).as_deref(), Some("long\n"));
    assert_eq!(text(&image, "a/b/c/d/e/f/g/h/i/j/file").as_deref(), Some("deep\n"));
    assert_eq!(text(&image, "openstack/files/0000").as_deref(), Some("edge\n"));
    let error = image.read("openstack/round", LIMIT).unwrap_err().to_string();
    assert!(error.contains("circle"), "{error}");
}

#[test]
fn names_on_a_fat_are_the_same_in_either_case() {
    assert!(text(&image(&VFAT), "OPENSTACK/Latest/META_DATA.json").is_some());
}

#[test]
fn a_cut_off_image_keeps_its_label_and_is_said_to_be_cut_off() {
    let mut bytes = NOVA_ISO.image();
    bytes.truncate(20 * 2048);
    let image = Image::open(bytes).unwrap().unwrap();
    assert_eq!(image.labels(), ["config-2"]);
    let error = image.read("openstack/latest/meta_data.json", LIMIT).unwrap_err().to_string();
    assert!(error.starts_with("the image is cut off: "), "{error}");
}

#[test]
fn zeroes_are_no_file_system() {
    for size in [0, 1, 511, 32768, 34815, 1 << 20] {
        assert!(Image::open(vec![0; size]).unwrap().is_none(), "{size}");
    }
    // Label there, the rest overwritten.
    let mut bytes = NOVA_ISO.image();
    bytes[20 * 2048..].fill(0);
    let image = Image::open(bytes).unwrap().unwrap();
    assert_eq!(image.read("openstack/latest/meta_data.json", LIMIT).unwrap(), None);
}

#[test]
fn a_directory_keeps_its_readers_inside() {
    let scratch = Scratch::new("directory");
    std::fs::create_dir_all(scratch.join("seed/openstack/2018-08-27")).unwrap();
    std::fs::write(scratch.join("seed/openstack/2018-08-27/user_data"), "inside").unwrap();
    std::fs::write(scratch.join("secret"), "outside").unwrap();
    symlink("2018-08-27", scratch.join("seed/openstack/latest")).unwrap();
    symlink("../../secret", scratch.join("seed/openstack/secret")).unwrap();
    let directory = Directory::open(&scratch.join("seed")).unwrap();
    assert_eq!(text(&directory, "openstack/latest/user_data").as_deref(), Some("inside"));
    assert_eq!(text(&directory, "openstack/latest/meta_data.json"), None);
    assert_eq!(directory.list("openstack").unwrap(), ["2018-08-27", "latest", "secret"]);
    for outside in ["openstack/secret", "../secret"] {
        let error = directory.read(outside, LIMIT).unwrap_err().to_string();
        assert!(error.contains("leads out of"), "{error}");
    }
    let error = directory.read("openstack/latest/user_data", 5).unwrap_err().to_string();
    assert!(error.contains("has 6 bytes"), "{error}");
}

/// Reads all that a config drive's reader would, whatever comes of it.
fn read_everything(bytes: Vec<u8>) {
    if let Ok(Some(image)) = Image::open(bytes) {
        image.labels();
        for directory in ["", "openstack", "openstack/latest"] {
            let _ = image.list(directory);
        }
        for file in ["openstack/latest/meta_data.json", "openstack/latest/user_data", "a/b/c/d/e/f/g/h/i/j/file"] {
            if let Ok(Some(content)) = image.read(file, LIMIT) {
                assert!(content.len() as u64 <= LIMIT);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_damaged_image_neither_panics_nor_hangs(
        which in 0usize..7,
        cut in proptest::option::of(0usize..400_000),
        changes in proptest::collection::vec((0usize..200_000, any::<u8>()), 0..60),
    ) {
        let (_, fixture) = &all()[which];
        let mut bytes = fixture.image();
        bytes.truncate(cut.unwrap_or(bytes.len()));
        // Where the structures are: the descriptors and directories of a disc, the table and directories of a FAT.
        let start = if which < 4 { 16 * 2048 } else { 0 };
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(start + at % 60_000) {
                *byte = value;
            }
        }
        read_everything(bytes);
    }
}
