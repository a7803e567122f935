// SPDX-License-Identifier: Apache-2.0
//! The seed that a person names (`--source`): a directory, an image, a device, or a server.

use std::path::Path;
use std::time::Instant;

use crate::config::base::{MetadataService, Settings};
use crate::datasource::nocloud::Reader;
use crate::datasource::service::DEFAULT_TIMEOUT;
use crate::datasource::{
    Context, DEFAULT_MAX_WAIT, Drives, Reach, Service, config_drive, ec2, nocloud, openstack, ovf,
};
use crate::error::{At, Error, Result};
use crate::finding::{Findings, Located, Origin};
use crate::guest::Guest;
use crate::http;
use crate::instance::ec2::NAME as EC2;
use crate::instance::nocloud::NAME as NOCLOUD;
use crate::media::{self, Directory, Medium};
use crate::root::Root;
use crate::seed::Seed;

/// The seed that a person names: a directory, an image file or a block device, with a config drive's tree, NoCloud's
/// files or an OVF environment; or a server: `openstack:URL`, `ec2:URL`, and a URL alone for NoCloud's files.
///
/// Nothing is mounted. A server is asked by the network as it is, for as long as the settings' `max_wait`.
///
/// # Errors
/// Absent; malformed where there is no seed on it; transient where the server gave none in time.
pub fn from_source(spec: &str, root: &Root, settings: &Settings, findings: &mut Findings) -> Result<Seed> {
    let guest = Guest::read(root)?;
    let deadline = Instant::now() + settings.max_wait().unwrap_or(DEFAULT_MAX_WAIT);
    let timeout = settings.timeout().unwrap_or(DEFAULT_TIMEOUT);
    let service = Service::only(deadline, timeout);
    Place { root, guest: &guest, settings, service: &service }.seed(spec, findings)
}

/// Where the seed is for, and how it is asked for.
struct Place<'a> {
    root: &'a Root,
    guest: &'a Guest,
    settings: &'a Settings,
    service: &'a Service,
}

impl Place<'_> {
    fn seed(&self, spec: &str, findings: &mut Findings) -> Result<Seed> {
        match spec.split_once(':') {
            Some((_, rest)) if rest.starts_with("//") => self.served(NOCLOUD, spec, findings),
            Some((name, url)) if url.contains("://") => self.served(&name.to_ascii_lowercase(), url, findings),
            _ => self.on_medium(spec, findings),
        }
    }

    /// The datasource of that name, from `url` in place of where it would be asked.
    fn served(&self, name: &str, url: &str, findings: &mut Findings) -> Result<Seed> {
        let url = Located::new(url.to_owned(), Origin::document("--source"));
        let shown = http::parse(&url).map(|_| http::shown_text(&url))?;
        let mut settings = self.settings.clone();
        let (datasource, served) = match name {
            NOCLOUD => return nocloud::served(&url, &self.reader(), findings),
            openstack::NAME => (openstack::DATASOURCE, &mut settings.openstack),
            EC2 => (ec2::DATASOURCE, &mut settings.ec2),
            _ => {
                return Err(Error::malformed(format!("nobody fetches {shown} as `{name}`"))
                    .help("name the service: nocloud:URL, openstack:URL or ec2:URL"));
            }
        };
        let here = MetadataService { metadata_urls: Some(vec![url]), ..MetadataService::default() };
        *served = Some(here.over(served.take().unwrap_or_default()));
        let Self { root, guest, service, .. } = self;
        let context =
            Context { root, guest, settings: &settings, reach: Reach::Up, kept: None, drives: Drives::default() };
        (datasource.fetch)(&context, Some(service), findings).map(|fetched| fetched.seed)
    }

    fn on_medium(&self, spec: &str, findings: &mut Findings) -> Result<Seed> {
        let path = Path::new(spec);
        if std::fs::metadata(path).at("open", path)?.is_dir() {
            return self.read(&Directory::open(path)?, spec, findings);
        }
        let Some(image) = media::open(path)? else {
            return Err(Error::malformed(format!("{spec} holds neither ISO 9660 nor FAT"))
                .help("make it with `genisoimage -J -r -V config-2 -o FILE DIRECTORY`, or name the directory"));
        };
        self.read(&image, &format!("{spec} ({})", image.file_system().name()), findings)
    }

    /// Which one it is, is told by what is on it.
    fn read(&self, medium: &dyn Medium, place: &str, findings: &mut Findings) -> Result<Seed> {
        // One that can't be read says so as well as the other.
        let is_config_drive = medium.list("openstack").map_or(true, |names| !names.is_empty());
        match is_config_drive {
            true => config_drive::read(medium, place, findings),
            false if nocloud::is_on(medium) => nocloud::read(medium, place, &self.reader(), findings),
            false if ovf::is_on(medium) => ovf::read(medium, place, &self.reader(), findings),
            false => Err(Error::malformed(format!("{place} has no seed"))
                .help("a config drive has openstack/latest/meta_data.json; a NoCloud seed `meta-data` and `user-data`; a disc of vSphere ovf-env.xml")),
        }
    }

    fn reader(&self) -> Reader<'_> {
        Reader { root: self.root, dmi: &self.guest.dmi, service: Some(self.service) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::scripted::{Scripted, whole};
    use crate::media::fixtures::{FAT12, NOVA_ISO, Scratch};

    #[test]
    fn a_source_is_an_image_or_a_directory() {
        let scratch = Scratch::new("source");
        let mut findings = Findings::default();
        let root = Root::open(&scratch).unwrap();
        let mut seed =
            |name: &str| from_source(&scratch.join(name).to_string_lossy(), &root, &Settings::default(), &mut findings);
        std::fs::write(scratch.join("drive.iso"), NOVA_ISO.image()).unwrap();
        std::fs::write(scratch.join("drive.img"), FAT12.image()).unwrap();
        std::fs::write(scratch.join("junk"), "junk").unwrap();
        std::fs::create_dir(scratch.join("empty")).unwrap();
        let disc = seed("drive.iso").unwrap();
        assert!(disc.place.ends_with("drive.iso (iso9660)"));
        assert_eq!(Seed { place: disc.place.clone(), ..seed("drive.img").unwrap() }, disc);
        assert!(seed("junk").unwrap_err().to_string().contains("holds neither ISO 9660 nor FAT"));
        assert!(seed("empty").unwrap_err().to_string().contains("/empty has no seed"));
        assert!(seed("missing").unwrap_err().is_absent());
    }
    #[test]
    fn a_server_is_named_by_its_service_and_asked_until_it_answers() {
        let scratch = crate::scratch::Scratch::new();
        let root = scratch.root();
        let get = |spec: &str| from_source(spec, &root, &Settings::default(), &mut Findings::default());
        let good = |text: &str| whole("200 OK", "", text);
        let missing = || whole("404 Not Found", "", "");
        let busy = || whole("503 Service Unavailable", "", "");

        let server = Scripted::start(vec![busy(), missing(), good("instance-id: i-1"), good(""), missing()]);
        let seed = get(&server.url("/s")).unwrap();
        assert_eq!((seed.datasource.as_str(), seed.place), (NOCLOUD, server.url("/s")));
        assert_eq!(server.requests().len(), 5);

        let answers = ["latest", r#"{"uuid": "i-1"}"#].map(good).into_iter().chain((0..4).map(|_| missing()));
        let server = Scripted::start(answers.collect());
        let seed = get(&format!("OpenStack:{}", server.url("/"))).unwrap();
        assert_eq!((seed.datasource.as_str(), seed.place), (openstack::NAME, server.url("")));
        assert!(server.requests()[0].starts_with("GET /openstack HTTP"), "the base is the service's alone");

        for (spec, expected) in [
            ("ftp://ops:hunter2@192.0.2.1/", "`ftp:` URLs are not supported\n"),
            ("openstack:http://", "this is not a URL: empty host"),
            ("azure:http://ops:hunter2@192.0.2.1/", "nobody fetches http://192.0.2.1/ as `azure`\n"),
        ] {
            let error = get(spec).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
