// SPDX-License-Identifier: Apache-2.0
//! The road of an image: looked at, worked in, converted, published.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::{Value, json};

use super::contents::Contents;
use super::ways::{self, Order, Written};
use super::worker::Outcome;
use crate::error::{At as _, Error, OrAbsent as _, Result};
use crate::host::image::tool::{self, Compression};
use crate::host::image::{Disk, Format, checksums, outside, publish, roots};
use crate::host::scratch::Scratch;
use crate::host::tell::Teller;

/// What becomes of an image.
pub struct Finish<'a> {
    /// The image.
    pub image: &'a Path,
    /// Where it is to be; none: in its own place.
    pub output: Option<&'a Path>,
    /// What the image names beside itself may be read.
    pub backing: bool,
    /// As what; none: as it is.
    pub format: Option<Format>,
    /// How it is compressed.
    pub compression: Option<Compression>,
    /// Whether its checksums are written.
    pub sums: bool,
    /// The way asked for.
    pub way: Option<&'a str>,
    /// The user's kernel for the appliance, with its modules.
    pub kernel: Option<&'a (PathBuf, Option<PathBuf>)>,
}

impl Finish<'_> {
    /// Does it; tells how it went for the exit code, for programs and for a person.
    pub fn bake(&self, contents: &Contents, teller: &Teller) -> Result<(Outcome, Value, String)> {
        let image = fs::canonicalize(self.image).at("find the image", self.image)?;
        let format = Format::of(&image)?;
        let output = self.place(&image)?;
        let wanted = self.wanted(format)?;
        self.alone(&image, format)?;
        tool::free(&image, format)?;
        let scratch = Scratch::new(Some(publish::directory(&output)))?;
        let (image, format) = readable(image, format, &scratch, teller)?;
        let disk = Rc::new(Disk::open_as(&image, format)?);
        let roots = roots::candidates(&disk).map_err(|error| error.while_doing(self.image.display()))?;
        let order =
            Order { image: &image, format, roots: &roots, contents, kernel: self.kernel, scratch: &scratch, teller };
        let (way, written) = ways::write(&order, self.way)?;
        let outcome = written.outcome;
        let finished = self.converted(written, wanted, &scratch, teller)?;
        let digests = self.publish(&finished, &output, teller)?;
        let bytes = fs::metadata(&output).at("look at", &output)?.len();
        let told = json!({
            "image": output, "format": wanted.name(), "bytes": bytes, "disk_bytes": disk.size(), "way": way.name,
            "outcome": outcome, "digests": digests.iter().flatten().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        });
        Ok((outcome, told, format!("{}: {}, {} MiB\n", output.display(), wanted.name(), bytes.div_ceil(1 << 20))))
    }

    /// Where it is to be, which must be possible and not in use.
    fn place(&self, image: &Path) -> Result<PathBuf> {
        if !fs::metadata(image).at("look at", image)?.is_file() {
            return Err(Error::malformed(format!("{} is no file", self.image.display()))
                .help("of a device make an image first, or mount it and use --root DIR"));
        }
        let Some(output) = self.output else {
            OpenOptions::new().write(true).open(image).at("change", image)?;
            return Ok(image.to_owned());
        };
        publish::possible(output)?;
        if let Some(there) = fs::canonicalize(output).at("find", output).or_absent()? {
            // One that is no image can't be in use as one.
            if let Ok(format) = Format::of(&there) {
                tool::free(&there, format)?;
            }
            return Ok(there);
        }
        let directory = publish::directory(output).canonicalize().at("find", publish::directory(output))?;
        Ok(directory.join(output.file_name().unwrap_or_default()))
    }

    /// Refuses an image that would have another file read and published, unless the user knows of it.
    fn alone(&self, image: &Path, format: Format) -> Result<()> {
        match outside::named(image, format)?.filter(|_| !self.backing) {
            None => Ok(()),
            Some(named) => Err(Error::malformed(format!(
                "{} is not whole: it names {named:?}, which would be read and be part of the result",
                self.image.display()
            ))
            .help("give --backing if you made it or trust who did; else have it made whole: qemu-img convert")),
        }
    }

    fn wanted(&self, format: Format) -> Result<Format> {
        let own = matches!(format, Format::Raw | Format::Qcow2);
        let named = self.output.and_then(Path::extension).and_then(|ending| match ending.to_str()? {
            "qcow2" => Some(Format::Qcow2),
            "raw" => Some(Format::Raw),
            _ => None,
        });
        let wanted = self.format.or(named).unwrap_or(if own { format } else { Format::Qcow2 });
        if !own && self.output.is_none() {
            let what =
                format!("{} is a {} image, which is not written again as one", self.image.display(), format.name());
            return Err(Error::malformed(what).help("give --output FILE for a raw or qcow2 one"));
        }
        if wanted == Format::Raw && self.compression.is_some() {
            return Err(Error::malformed("a raw image can't be compressed").help("take --format qcow2 too"));
        }
        Ok(wanted)
    }

    fn converted(&self, written: Written, wanted: Format, scratch: &Scratch, teller: &Teller) -> Result<PathBuf> {
        if written.format == Format::Raw && wanted == Format::Raw {
            return Ok(written.path);
        }
        let finished = scratch.path().join("finished");
        let work = teller.work(&format!("writing it as {}", wanted.name()), Some(100));
        tool::convert((&written.path, written.format), (&finished, wanted), self.compression, &work)?;
        Ok(finished)
    }

    /// The image gets its name, then the lists tell of it: at no time does a list tell of another content.
    fn publish(&self, finished: &Path, output: &Path, teller: &Teller) -> Result<Option<checksums::Digests>> {
        let digests = if self.sums {
            let size = fs::metadata(finished).at("look at", finished)?.len();
            Some(checksums::of(finished, &teller.work("summing", Some(size)))?)
        } else {
            None
        };
        checksums::forget(output)?;
        publish::file(finished, output)?;
        if let Some(digests) = &digests {
            checksums::write(output, digests)?;
        }
        Ok(digests)
    }
}

/// The image itself where this program reads its format; else a copy that it does.
fn readable(image: PathBuf, format: Format, scratch: &Scratch, teller: &Teller) -> Result<(PathBuf, Format)> {
    if matches!(format, Format::Raw | Format::Qcow2) {
        return Ok((image, format));
    }
    let copy = scratch.path().join("source.qcow2");
    let work = teller.work(&format!("reading the {} image", format.name()), Some(100));
    tool::convert((&image, format), (&copy, Format::Qcow2), None, &work)?;
    Ok((copy, Format::Qcow2))
}
