// SPDX-License-Identifier: Apache-2.0
//! The appliance's kernel and its modules: the user's, the image's own, or this machine's.

use std::fs;
use std::path::{Path, PathBuf};

use super::modules::{self, Module};
use crate::error::{At as _, Error, OrAbsent as _, Result};
use crate::host::bake::ways::Order;
use crate::host::image::kernel::Found;
use crate::host::image::window;
use crate::input;

/// Bytes of a kernel or of one of its modules.
const LIMIT: u64 = 512 << 20;
/// What every appliance needs: its disk and its port.
const DRIVERS: [&str; 3] = ["virtio_pci", "virtio_blk", "virtio_console"];
/// Where the kernel of a PC says that it is one ("HdrS", the kernel's boot.rst).
const MAGIC_AT: usize = 0x202;

/// A kernel that can start the appliance.
pub struct Kernel {
    /// Its file's bytes.
    pub image: Vec<u8>,
    /// What is loaded, in that order.
    pub modules: Vec<Module>,
    /// Whose it is, for a person.
    pub whose: String,
}

/// The first that is there and has what the image needs.
///
/// # Errors
/// Absent where there is none, with the reasons.
pub fn find(order: &Order) -> Result<Kernel> {
    if let Some((kernel, modules)) = order.kernel {
        return given(order, kernel, modules.as_deref());
    }
    let mut reasons = Vec::new();
    for (whose, found) in [("the image's own kernel", own(order)), ("this machine's kernel", machines(order))] {
        match found {
            Ok(kernel) => return Ok(kernel),
            Err(error) => reasons.push(format!("{whose}: {}", error.without_advice())),
        }
    }
    Err(Error::absent(format!("no kernel for the appliance ({})", reasons.join("; ")))
        .help("give one: --kernel FILE --modules /lib/modules/VERSION"))
}

fn names(order: &Order) -> Vec<&'static str> {
    let mut names: Vec<&str> = order.roots.iter().map(|root| root.file_system).collect();
    // One driver serves all three.
    names.iter_mut().filter(|name| name.starts_with("ext")).for_each(|name| *name = "ext4");
    names.sort_unstable();
    names.dedup();
    [&DRIVERS[..], &names].concat()
}

fn given(order: &Order, kernel: &Path, modules: Option<&Path>) -> Result<Kernel> {
    let modules = modules.map(|directory| modules::wanted(&names(order), &in_directory(directory))).transpose()?;
    let image = fits(input::read(kernel, LIMIT)?).map_err(|error| error.while_doing(kernel.display()))?;
    // Without a directory of modules all that is needed is taken to be built in; what is not there shows at its start.
    Ok(Kernel { image, modules: modules.unwrap_or_default(), whose: kernel.display().to_string() })
}

fn own(order: &Order) -> Result<Kernel> {
    let ext = order.roots.iter().find(|root| root.file_system.starts_with("ext"));
    let ext = ext.ok_or_else(|| Error::absent("it can only be read from ext4"))?;
    let files = ext.window.ext4()?;
    let found = Found::newest(&files)?.ok_or_else(|| Error::absent("there is none in its /boot"))?;
    let directory = format!("/lib/modules/{}", found.version);
    let read = |name: &str| window::read(&files, &format!("{directory}/{name}"), LIMIT);
    let modules = modules::wanted(&names(order), &read)?;
    Ok(Kernel { image: fits(found.kernel)?, modules, whose: format!("the image's own kernel {}", found.version) })
}

fn machines(order: &Order) -> Result<Kernel> {
    let place = Path::new("/proc/sys/kernel/osrelease");
    let version = fs::read_to_string(place).at("read", place)?.trim().to_owned();
    let kernels = [format!("/boot/vmlinuz-{version}"), format!("/lib/modules/{version}/vmlinuz")];
    let mut why = Error::absent(format!("there is no {}", kernels.join(" or ")));
    for path in kernels.iter().map(Path::new) {
        match input::read(path, LIMIT) {
            Ok(image) => {
                let directory = PathBuf::from(format!("/lib/modules/{version}"));
                let modules = modules::wanted(&names(order), &in_directory(&directory))?;
                return Ok(Kernel { image: fits(image)?, modules, whose: format!("this machine's kernel {version}") });
            }
            Err(error) if error.is_absent() => {}
            Err(error) => why = error,
        }
    }
    Err(why)
}

fn in_directory(directory: &Path) -> impl Fn(&str) -> Result<Option<Vec<u8>>> {
    move |name| input::read(&directory.join(name), LIMIT).or_absent()
}

/// Refuses a kernel for another processor than this machine's, which runs the appliance's program.
fn fits(image: Vec<u8>) -> Result<Vec<u8>> {
    let is_pc = image.get(MAGIC_AT..).is_some_and(|rest| rest.starts_with(b"HdrS"));
    if cfg!(target_arch = "x86_64") && !is_pc {
        return Err(Error::malformed("it is no kernel for x86-64"));
    }
    Ok(image)
}
