// SPDX-License-Identifier: Apache-2.0
//! Which of a kernel's modules have to be loaded, in which order; by the lists that depmod(8) wrote.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::host::image::unpack::{self, Method};

/// Bytes of a module; the largest of a distribution's kernel has a tenth of that.
const LIMIT: u64 = 64 << 20;
/// Modules in all.
const COUNT: usize = 200;

/// Reads a file of the kernel's module directory; `None` where it is not there.
pub type Read<'a> = dyn Fn(&str) -> Result<Option<Vec<u8>>> + 'a;

/// A module, as it is loaded.
#[derive(Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name, with underscores.
    pub name: String,
    /// The object file, decompressed.
    pub content: Vec<u8>,
}

/// The modules that `names` need, in the order of their loading; none for what is built in.
///
/// # Errors
/// Absent where the kernel has not what is asked for; malformed where a module can't be read.
pub fn wanted(names: &[&str], read: &Read) -> Result<Vec<Module>> {
    let lists = Lists::read(read)?;
    let mut order = Vec::new();
    let mut seen = HashSet::new();
    for name in names {
        if !lists.paths.contains_key(*name) && !lists.built_in.contains(*name) {
            return Err(Error::absent(format!("this kernel has no {name}, as a module or built in")));
        }
        lists.visit(name, &mut seen, &mut order);
    }
    order.into_iter().take(COUNT).map(|(name, path)| Module::load(name, path, read)).collect()
}

struct Lists {
    paths: HashMap<String, String>,
    needs: HashMap<String, Vec<String>>,
    built_in: HashSet<String>,
    /// What a module asks for that is not a symbol: other ways to the same, such as a checksum made by the processor.
    soft: HashMap<String, Vec<String>>,
    aliases: HashMap<String, Vec<String>>,
}

impl Lists {
    fn read(read: &Read) -> Result<Self> {
        let text = |name: &str| -> Result<String> {
            Ok(String::from_utf8_lossy(&read(name)?.unwrap_or_default()).into_owned())
        };
        let mut lists = Self {
            paths: HashMap::new(),
            needs: HashMap::new(),
            built_in: text("modules.builtin")?.lines().map(name).collect(),
            soft: HashMap::new(),
            aliases: HashMap::new(),
        };
        for (path, needs) in text("modules.dep")?.lines().filter_map(|line| line.split_once(':')) {
            lists.needs.insert(name(path), needs.split_whitespace().map(name).collect());
            lists.paths.insert(name(path), path.to_owned());
        }
        for line in text("modules.softdep")?.lines() {
            let mut words = line.split_whitespace().skip_while(|word| *word != "softdep").skip(1);
            let Some(module) = words.next() else { continue };
            let before = words.skip_while(|word| *word != "pre:").skip(1).take_while(|word| *word != "post:");
            lists.soft.entry(name(module)).or_default().extend(before.map(str::to_owned));
        }
        for line in text("modules.alias")?.lines().filter(|line| !line.contains(['*', '?'])) {
            if let ["alias", alias, module] = line.split_whitespace().collect::<Vec<_>>()[..] {
                lists.aliases.entry(name(alias)).or_default().push(name(module));
            }
        }
        Ok(lists)
    }

    /// What `module` needs, then itself.
    fn visit<'a>(&'a self, module: &str, seen: &mut HashSet<String>, order: &mut Vec<(&'a str, &'a str)>) {
        if seen.len() > COUNT || !seen.insert(module.to_owned()) {
            return;
        }
        for soft in self.soft.get(module).into_iter().flatten() {
            let soft = name(soft);
            match self.aliases.get(&soft) {
                Some(modules) => modules.iter().for_each(|module| self.visit(module, seen, order)),
                None => self.visit(&soft, seen, order),
            }
        }
        for need in self.needs.get(module).into_iter().flatten().rev() {
            self.visit(need, seen, order);
        }
        if let Some((name, path)) = self.paths.get_key_value(module) {
            order.push((name, path));
        }
    }
}

/// `kernel/fs/ext4/ext4.ko.xz` and `virtio-blk` as the kernel calls them.
fn name(path: &str) -> String {
    let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
    file.split_once(".ko").map_or(file, |(name, _)| name).replace('-', "_")
}

impl Module {
    fn load(name: &str, path: &str, read: &Read) -> Result<Self> {
        let damaged = |why: &str| Error::malformed(format!("the kernel module {path} can't be read: {why}"));
        let bytes = read(path)?.ok_or_else(|| damaged("it is not there"))?;
        let content = match Method::of(path) {
            None => bytes,
            Some(method) => {
                unpack::up_to(LIMIT, method, &bytes).map_err(|error| damaged("it is damaged").because(error))?
            }
        };
        Ok(Self { name: name.to_owned(), content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(path: &str) -> Result<Option<Vec<u8>>> {
        let text = match path {
            "modules.builtin" => "kernel/fs/ext4/ext4.ko\nkernel/crypto/crc32c_generic.ko\n",
            "modules.dep" => {
                "kernel/fs/xfs/xfs.ko: kernel/lib/libcrc32c.ko\n\
                 kernel/lib/libcrc32c.ko:\n\
                 kernel/arch/x86/crypto/crc32c-intel.ko:\n\
                 kernel/drivers/virtio/virtio_ring.ko:\n\
                 kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko\n\
                 kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko\n\
                 loop/a.ko: loop/b.ko\nloop/b.ko: loop/a.ko\n"
            }
            "modules.softdep" => "# soft\nsoftdep libcrc32c pre: crc32c\n",
            "modules.alias" => "alias pci:v00001AF4d* virtio_pci\nalias crc32c crc32c_intel\n",
            path if path.ends_with(".ko") => "object",
            _ => return Ok(None),
        };
        Ok(Some(text.into()))
    }

    fn order(names: &[&str]) -> Vec<String> {
        wanted(names, &kernel).unwrap().into_iter().map(|module| module.name).collect()
    }

    #[test]
    fn what_a_module_needs_is_loaded_before_it_and_once() {
        let expected = ["virtio_ring", "virtio", "virtio_blk", "crc32c_intel", "libcrc32c", "xfs"];
        assert_eq!(order(&["virtio_blk", "xfs", "virtio_blk"]), expected);
        assert!(order(&["ext4"]).is_empty(), "built in");
        assert_eq!(order(&["a"]), ["b", "a"], "a circle ends");
    }

    #[test]
    fn what_the_kernel_has_not_is_named() {
        let error = wanted(&["btrfs"], &kernel).unwrap_err();
        assert!(error.is_absent() && error.to_string().contains("no btrfs"), "{error}");
    }
}
