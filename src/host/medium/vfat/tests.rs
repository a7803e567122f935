// SPDX-License-Identifier: Apache-2.0
//! FATs as the agent reads them; what other programs read is tried by `tests/host/media`.

use proptest::prelude::*;

use super::*;
use crate::media::{self, Medium as _};

fn bytes(tree: &Tree, least: Option<Width>) -> Vec<u8> {
    let mut bytes = Vec::new();
    laid_out(tree, "cidata", Stamp::at(1_709_251_199), least).unwrap().stream(&mut bytes).unwrap();
    bytes
}

/// Whether the agent finds each file of `tree` on it.
fn agrees(tree: &Tree, fat: Vec<u8>) {
    let fat = media::Image::open(fat).unwrap().unwrap();
    assert_eq!(fat.labels(), ["cidata"]);
    for (path, content) in tree.files() {
        assert_eq!(fat.read(path, u64::MAX).unwrap().as_deref(), Some(&content[..]), "{path}");
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        assert!(fat.list(above).unwrap().iter().any(|listed| listed == name), "{path}");
    }
}

#[test]
fn every_width_gives_back_every_size() {
    let mut tree = Tree::new();
    for size in [0, 1, 2047, 2048, 2049, 1 << 20] {
        let content: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        tree.add(&format!("sizes/{size}"), content).unwrap();
    }
    for path in ["README.TXT", "thirteen-char", "grüße/日本語 😀.txt", "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/deep"] {
        tree.add(path, path.to_owned()).unwrap();
    }
    (0..100).for_each(|number| tree.add(&format!("openstack/content/{number:04}"), number.to_string()).unwrap());
    for (width, name) in [(Width::Twelve, "FAT12"), (Width::Sixteen, "FAT16"), (Width::ThirtyTwo, "FAT32")] {
        let fat = bytes(&tree, Some(width));
        let at = if width == Width::ThirtyTwo { 82 } else { 54 };
        assert_eq!(&fat[at..at + 5], name.as_bytes());
        agrees(&tree, fat);
    }
    let empty = bytes(&Tree::new(), None);
    assert_eq!(empty.len(), 128 << 10);
    agrees(&Tree::new(), empty);
}

#[test]
fn a_root_grows_with_its_names() {
    let mut tree = Tree::new();
    (0..300).for_each(|number| tree.add(&format!("a certificate with number {number}.pem"), "x").unwrap());
    agrees(&tree, bytes(&tree, None));
    agrees(&tree, bytes(&tree, Some(Width::ThirtyTwo)));
}

#[test]
fn what_a_fat_can_not_hold_is_refused_with_its_name() {
    for (names, why) in [
        (vec!["a:b"], "it has the character `:`"),
        (vec!["dot."], "it ends with a dot"),
        (vec!["Case", "case"], "the same but for its case"),
    ] {
        let mut tree = Tree::new();
        names.iter().for_each(|name| tree.add(name, "").unwrap());
        let error = image(&tree, "cidata", Stamp::at(1_709_251_199)).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("can't stand on a FAT"), "{error}");
    }
    for label in ["", "twelve-chars", "a.b", "ä"] {
        assert!(image(&Tree::new(), label, Stamp::at(1_709_251_199)).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_names_there_are_lead_to_their_bytes(
        files in proptest::collection::btree_map("([a-zé~ .😀-]{0,30}[a-z0-9]/){0,3}[a-zA-Zé+. ]{0,40}[a-z0-9]", proptest::collection::vec(any::<u8>(), 0..5000), 0..20)
    ) {
        let mut tree = Tree::new();
        for (path, content) in files {
            // Paths that no medium can hold are another test's; so are names that differ by case.
            let _ = tree.add(&path.to_lowercase(), content);
        }
        agrees(&tree, bytes(&tree, None));
    }
}
