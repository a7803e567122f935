// SPDX-License-Identifier: Apache-2.0
//! Discs as the agent reads them; what other programs read is tried by `tests/host/media`.

use proptest::prelude::*;

use super::*;
use crate::media::{self, Medium as _};

const NOW: u64 = 1_709_251_199;

fn bytes(tree: &Tree) -> Vec<u8> {
    let mut bytes = Vec::new();
    image(tree, "config-2", Stamp::at(NOW)).unwrap().stream(&mut bytes).unwrap();
    bytes
}

/// Whether the agent finds each file of `tree` on the disc, and nothing else.
fn agrees(tree: &Tree, disc: Vec<u8>) {
    let disc = media::Image::open(disc).unwrap().unwrap();
    assert_eq!(disc.labels(), ["config-2"]);
    for (path, content) in tree.files() {
        assert_eq!(disc.read(path, u64::MAX).unwrap().as_deref(), Some(&content[..]), "{path}");
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        assert!(disc.list(above).unwrap().iter().any(|listed| listed == name), "{path}");
    }
}

/// The same disc without the sign of Rock Ridge, so that Joliet is read.
fn without_rock_ridge(mut disc: Vec<u8>) -> Vec<u8> {
    let sign = disc.windows(4).position(|bytes| bytes == b"SP\x07\x01").unwrap();
    disc[sign] = b'x';
    disc
}

fn tree(files: &[(&str, usize)]) -> Tree {
    let mut tree = Tree::new();
    for (path, size) in files {
        let content: Vec<u8> = (0..*size).map(|at| (at % 251) as u8).collect();
        tree.add(path, content).unwrap();
    }
    tree
}

#[test]
fn files_of_every_size_are_read_by_both_names() {
    let tree = tree(&[
        ("empty", 0),
        ("one", 1),
        ("under", 2047),
        ("even", 2048),
        ("over", 2049),
        ("mebibyte", 1 << 20),
        ("a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/deep", 3),
        ("grüße/日本語.txt", 5),
        ("openstack/latest/meta_data.json", 70),
    ]);
    agrees(&tree, bytes(&tree));
    agrees(&tree, without_rock_ridge(bytes(&tree)));
}

#[test]
fn names_as_long_as_linux_has_them_go_on_elsewhere() {
    let mut tree = Tree::new();
    for number in 0..40 {
        tree.add(&format!("{number:02}{}", "é".repeat(126)), vec![number; 3]).unwrap();
        tree.add(&format!("{number:02}{}", "x".repeat(100 + usize::from(number))), vec![number; 4]).unwrap();
    }
    agrees(&tree, bytes(&tree));
}

#[test]
fn equal_files_stand_on_the_disc_once() {
    let (once, often) = (tree(&[("a", 1 << 20)]), tree(&[("a", 1 << 20), ("b", 1 << 20), ("c", 1 << 20)]));
    assert_eq!(bytes(&once).len(), bytes(&often).len());
    agrees(&often, bytes(&often));
}

#[test]
fn a_thousand_files_in_one_directory() {
    let mut tree = Tree::new();
    (0..1000).for_each(|number| tree.add(&format!("openstack/content/{number:04}"), number.to_string()).unwrap());
    let disc = media::Image::open(bytes(&tree)).unwrap().unwrap();
    assert_eq!(disc.list("openstack/content").unwrap().len(), 1000);
    assert_eq!(disc.read("openstack/content/0999", 9).unwrap().unwrap(), b"999");
}

#[test]
fn a_label_that_does_not_fit_is_refused() {
    for label in ["", "a label", "größe", "seventeen-letters"] {
        assert!(image(&Tree::new(), label, Stamp::at(NOW)).unwrap_err().to_string().contains("the label of a disc"));
    }
    let empty = media::Image::open(bytes(&Tree::new())).unwrap().unwrap();
    assert_eq!(empty.list("").unwrap(), [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_names_there_are_lead_to_their_bytes(
        files in proptest::collection::btree_map("([^/\0]{1,60}/){0,3}[^/\0]{1,60}", proptest::collection::vec(any::<u8>(), 0..5000), 0..20)
    ) {
        let mut tree = Tree::new();
        for (path, content) in files {
            // Paths that no medium can hold are another test's.
            let _ = tree.add(&path, content);
        }
        let once = bytes(&tree);
        prop_assert_eq!(&once, &bytes(&tree));
        agrees(&tree, once);
    }
}
