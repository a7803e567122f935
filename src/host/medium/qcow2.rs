// SPDX-License-Identifier: Apache-2.0
//! A qcow2 disk (version 3) around an image: clusters for what the image has, none for its holes.
//!
//! As QEMU's `docs/interop/qcow2.txt` has it. Its order: header, refcount table, refcount blocks, first-level table, second-level
//! tables, data.

use bytes::Bytes;

use super::image::Image;
use crate::error::{Error, Result};

const CLUSTER_BITS: u32 = 16;
const CLUSTER: u64 = 1 << CLUSTER_BITS;
/// How many clusters a second-level table leads to.
const PER_TABLE: u64 = CLUSTER / 8;
/// How many clusters a refcount block counts, with 16 bits each.
const PER_BLOCK: u64 = CLUSTER / 2;
/// Set where a cluster has but one reference, so that it may be written to.
const ONE_REFERENCE: u64 = 1 << 63;
/// How long the header of version 3 is.
const HEADER: u32 = 104;
/// Where one cluster of each table no longer does: 4 TiB of disk.
const MAX_SIZE: u64 = PER_TABLE * PER_TABLE * CLUSTER;

/// The disk that holds `image`.
pub fn wrap(image: &Image) -> Result<Image> {
    // A disk has whole sectors.
    let size = image.size().next_multiple_of(512);
    if size > MAX_SIZE {
        return Err(Error::malformed(format!(
            "a qcow2 disk here has at most {MAX_SIZE} bytes, and this would have {size}"
        )));
    }
    let mut pieces: Vec<(u64, Bytes)> = Vec::new();
    for (place, bytes) in image.pieces() {
        pieces.extend(by_cluster(place, bytes));
    }
    let mut used: Vec<u64> = pieces.iter().map(|(place, _)| place / CLUSTER).collect();
    used.dedup();

    let tables = size.div_ceil(CLUSTER * PER_TABLE);
    let fixed = 2 + 1 + tables + used.len() as u64;
    // A block counts itself too.
    let blocks = fixed.div_ceil(PER_BLOCK - 1);
    let first_level = 2 + blocks;
    let (second_level, data) = (first_level + 1, first_level + 1 + tables);
    let clusters = data + used.len() as u64;

    let mut disk = Image::default();
    disk.put(0, header(size, first_level * CLUSTER, tables as u32));
    disk.put(CLUSTER, numbers((0..blocks).map(|block| (2 + block) * CLUSTER)));
    disk.put(2 * CLUSTER, (0..clusters).flat_map(|_| 1u16.to_be_bytes()).collect::<Vec<u8>>());
    disk.put(first_level * CLUSTER, numbers((0..tables).map(|table| entry(second_level + table))));
    let mut second = vec![0u64; usize::try_from(tables * PER_TABLE).unwrap_or(usize::MAX)];
    for (number, cluster) in (data..).zip(&used) {
        if let Some(place) = usize::try_from(*cluster).ok().and_then(|cluster| second.get_mut(cluster)) {
            *place = entry(number);
        }
    }
    disk.put(second_level * CLUSTER, numbers(second.into_iter()));
    let mut used = (data..).zip(used).peekable();
    for (place, bytes) in pieces {
        while used.next_if(|(_, cluster)| *cluster < place / CLUSTER).is_some() {}
        if let Some((number, _)) = used.peek() {
            disk.put(number * CLUSTER + place % CLUSTER, bytes);
        }
    }
    disk.fill_to(clusters * CLUSTER);
    Ok(disk)
}

/// What a table has for a cluster of the file.
fn entry(cluster: u64) -> u64 {
    ONE_REFERENCE | (cluster * CLUSTER)
}

/// The parts of a piece that stand in one cluster each.
fn by_cluster(mut place: u64, bytes: &Bytes) -> impl Iterator<Item = (u64, Bytes)> {
    let mut rest = bytes.clone();
    std::iter::from_fn(move || {
        let room = usize::try_from(CLUSTER - place % CLUSTER).unwrap_or(usize::MAX);
        let part = rest.split_to(room.min(rest.len()));
        let at = place;
        place += part.len() as u64;
        (!part.is_empty()).then_some((at, part))
    })
}

fn header(size: u64, first_level: u64, tables: u32) -> Vec<u8> {
    let mut bytes = b"QFI\xFB".to_vec();
    bytes.extend(3u32.to_be_bytes());
    bytes.extend([0; 12]); // no backing file
    bytes.extend(CLUSTER_BITS.to_be_bytes());
    bytes.extend(size.to_be_bytes());
    bytes.extend([0; 4]); // not encrypted
    bytes.extend(tables.to_be_bytes());
    bytes.extend(first_level.to_be_bytes());
    bytes.extend(CLUSTER.to_be_bytes()); // the refcount table
    bytes.extend(1u32.to_be_bytes()); // its clusters
    bytes.extend([0; 12]); // no snapshots
    bytes.extend([0; 24]); // no features
    bytes.extend(4u32.to_be_bytes()); // refcounts of 16 bits
    bytes.extend(HEADER.to_be_bytes());
    bytes.extend([0; 8]); // no extensions
    bytes
}

fn numbers(numbers: impl Iterator<Item = u64>) -> Vec<u8> {
    numbers.flat_map(u64::to_be_bytes).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stream(image: &Image) -> Vec<u8> {
        let mut bytes = Vec::new();
        image.stream(&mut bytes).unwrap();
        bytes
    }

    fn u64_at(bytes: &[u8], at: u64) -> u64 {
        u64::from_be_bytes(bytes[at as usize..][..8].try_into().unwrap())
    }

    /// What a guest sees of the disk, by its tables; checks that each cluster is counted.
    fn guest(disk: &[u8]) -> Vec<u8> {
        let (size, first_level) = (u64_at(disk, 24), u64_at(disk, 40));
        let mut seen = Vec::new();
        for cluster in 0..size.div_ceil(CLUSTER) {
            let table = u64_at(disk, first_level + cluster / PER_TABLE * 8) & !ONE_REFERENCE;
            let at = u64_at(disk, table + cluster % PER_TABLE * 8) & !ONE_REFERENCE;
            let data =
                if at == 0 { vec![0; CLUSTER as usize] } else { disk[at as usize..][..CLUSTER as usize].to_vec() };
            seen.extend(data);
        }
        seen.truncate(size as usize);
        let counted = disk[u64_at(disk, CLUSTER) as usize..].chunks(2).take_while(|count| *count == [0, 1]).count();
        assert_eq!(counted as u64 * CLUSTER, disk.len() as u64);
        seen
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(30))]

        #[test]
        fn a_guest_sees_the_image(pieces in proptest::collection::vec((0u64..200_000, 0usize..200_000), 0..6), more in 0u64..100_000) {
            let mut image = Image::default();
            for (gap, length) in pieces {
                image.put(image.size() + gap, vec![0xAA; length]);
            }
            image.fill_to(image.size() + more);
            let mut expected = stream(&image);
            expected.resize(expected.len().next_multiple_of(512), 0);
            prop_assert!(guest(&stream(&wrap(&image).unwrap())) == expected);
        }
    }

    #[test]
    fn holes_take_no_room() {
        let mut image = Image::default();
        image.put(1 << 20, "a");
        image.put(1 << 30, "b");
        let disk = wrap(&image).unwrap();
        // Header, refcounts and their table, one first-level and three second-level tables, two of data.
        assert_eq!(disk.size(), 9 * CLUSTER);
        image.fill_to(MAX_SIZE + 1);
        assert!(wrap(&image).unwrap_err().to_string().contains("at most 4398046511104 bytes"));
    }
}
