// SPDX-License-Identifier: Apache-2.0
//! A disc: ISO 9660 (ECMA-119) with Rock Ridge (RRIP 1.10) and Joliet.
//!
//! Linux reads the names of Rock Ridge, Windows those of Joliet; both lead to the same bytes. Equal files stand on it once:
//! a config drive has the same documents under a dozen dates. Directories are not moved where they are deeper than the
//! eight of ECMA-119, as xorriso does not either: no reader minds, and none has to show an `rr_moved`.

mod descriptor;
mod field;
mod hierarchy;
mod record;

use std::collections::HashMap;

use bytes::Bytes;

use super::image::Image;
use super::stamp::Stamp;
use super::tree::Tree;
use crate::error::{Error, Result};

use descriptor::Descriptor;
use hierarchy::{Contents, Hierarchy, Names, Places};

const SECTOR: usize = 2048;
/// The sectors before the first descriptor are the system's own.
const FIRST_DESCRIPTOR: u32 = 16;
/// Joliet's field of the volume id is the shorter one.
const MAX_LABEL: usize = 16;

/// The disc with these files.
pub fn image(tree: &Tree, label: &str, stamp: Stamp) -> Result<Image> {
    if label.is_empty() || label.len() > MAX_LABEL || !label.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::malformed(format!("`{}` can't be the label of a disc", label.escape_default())).help(
            format!("give 1 to {MAX_LABEL} letters, digits and signs of ASCII; a seed has `cidata` or `config-2`"),
        ));
    }
    let root = tree.root();
    let hierarchies = [Names::RockRidge, Names::Joliet].map(|names| Hierarchy::new(&root, names));

    if let Some(count) = hierarchies.iter().map(Hierarchy::count).find(|count| *count > usize::from(u16::MAX)) {
        return Err(Error::malformed(format!("{count} directories do not fit on a disc, which has at most 65535")));
    }

    // Where all stands depends on lengths alone, and these on no place: what is built for no place is as long.
    let nowhere = Places { directories: Vec::new(), continuation: 0, contents: &Contents::default() };
    let mut next = FIRST_DESCRIPTOR + hierarchies.len() as u32 + 1;
    let mut places = Vec::new();
    for hierarchy in &hierarchies {
        let path_table = sectors(hierarchy.path_table(&[], false).len())?;
        let tables = [next, advance(next, path_table)?];
        next = advance(next, 2 * path_table)?;
        let built = hierarchy.build(&nowhere, stamp);
        let mut directories = Vec::new();
        for directory in &built.directories {
            directories.push((next, directory.len() as u32));
            next = advance(next, sectors(directory.len())?)?;
        }
        let continuation = next;
        next = advance(next, sectors(built.continuation.len())?)?;
        places.push((tables, directories, continuation));
    }
    let mut contents = Contents::default();
    let mut known: HashMap<&[u8], u32> = HashMap::new();
    let mut order: Vec<(u32, &Bytes)> = Vec::new();
    for (_, content) in tree.files().filter(|(_, content)| !content.is_empty()) {
        let sector = *known.entry(content).or_insert(next);
        if sector == next {
            order.push((next, content));
            next = advance(next, sectors(content.len())?)?;
        }
        contents.insert(content, sector);
    }

    let mut image = Image::default();
    let set = tree.digest();
    let mut trees = Vec::new();
    for (number, (hierarchy, (tables, directories, continuation))) in hierarchies.iter().zip(places).enumerate() {
        let places = Places { directories, continuation, contents: &contents };
        let built = hierarchy.build(&places, stamp);
        let little = hierarchy.path_table(&places.directories, false);
        let descriptor = Descriptor {
            names: hierarchy.names,
            label,
            set: &set,
            sectors: next,
            path_table: little.len() as u32,
            tables,
            root: &built.root,
            stamp,
        };
        image.put(at(FIRST_DESCRIPTOR + number as u32), descriptor.bytes());
        let big = hierarchy.path_table(&places.directories, true);
        trees.extend([(tables[0], little), (tables[1], big)]);
        trees.extend(places.directories.iter().map(|(sector, _)| *sector).zip(built.directories));
        trees.push((places.continuation, built.continuation));
    }
    image.put(at(FIRST_DESCRIPTOR + hierarchies.len() as u32), descriptor::terminator());
    trees.into_iter().for_each(|(sector, bytes)| image.put(at(sector), bytes));
    order.into_iter().for_each(|(sector, content)| image.put(at(sector), content.clone()));
    image.fill_to(at(next));
    Ok(image)
}

/// Where a sector begins.
fn at(sector: u32) -> u64 {
    u64::from(sector) * SECTOR as u64
}

fn sectors(length: usize) -> Result<u32> {
    u32::try_from(length.div_ceil(SECTOR)).map_err(|_| too_large())
}

fn advance(sector: u32, count: u32) -> Result<u32> {
    sector.checked_add(count).ok_or_else(too_large)
}

fn too_large() -> Error {
    Error::malformed("the files do not fit on a disc, which has at most 2^32 sectors")
}

#[cfg(test)]
mod tests;
