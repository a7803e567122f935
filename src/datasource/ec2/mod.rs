// SPDX-License-Identifier: Apache-2.0
//! EC2's metadata service, and those of platforms that took it over.
//!
//! It is asked where the firmware names such a platform, where `ds=ec2` asks for it on the kernel's command line or as
//! the firmware's serial number, and where the image's settings name it; nowhere else, as anybody on the network could
//! answer there.

use crate::config::base::MetadataService;
use crate::datasource::documents::{DOCUMENT_LIMIT, FILE_LIMIT, instance_id, optional};
use crate::datasource::service::on_a_server;
use crate::datasource::{Context, Datasource, Fetched, Probe, Service, addresses, asked_for, service_probe};
use crate::error::{Error, Result};
use crate::finding::Findings;
use crate::http::{Way, shown_text};
use crate::instance::ec2::{CLOUD_NAME, IDENTITY, NAME};
use crate::seed::{Document, MetaFormat, NetworkFormat, Seed};

mod clouds;
mod imds;
#[cfg(test)]
mod tests;
mod tree;
mod user_data;

use clouds::Platform;
use imds::{FORBIDDEN, Imds};

/// See the file's head.
pub const DATASOURCE: Datasource = Datasource { name: NAME, is_remote: true, probe, fetch };

const IPV4: &str = "http://169.254.169.254";
/// Amazon's, for subnets without IPv4.
const IPV6: &str = "http://[fd00:ec2::254]";

/// The one whose documents are known here (tags came with it); then what each other platform has.
const VERSIONS: [&str; 3] = ["2021-03-23", "latest", "2009-04-04"];
/// The tree's name, below a version.
const META_DATA: &str = "meta-data";

fn probe(context: &Context) -> Probe {
    let platform = clouds::of(context.guest);
    let is_amazon = platform.as_ref().is_some_and(Platform::is_amazon);
    let at = bases(context.settings.ec2.as_ref(), &Way::routed(), is_amazon);
    let why = platform.map(|platform| platform.why).or_else(|| asked_for(context.guest, &[NAME]));
    let nothing = "the firmware names no platform with EC2's service, and nobody asks for it";
    service_probe(context, NAME, why, nothing, &at)
}

fn fetch(context: &Context, service: Option<&Service>, findings: &mut Findings) -> Result<Fetched> {
    let settings = context.settings.ec2.as_ref();
    let Some(service) = service else {
        return Err(on_a_server("EC2's metadata service"));
    };
    let platform = clouds::of(context.guest);
    let is_amazon = platform.as_ref().is_some_and(Platform::is_amazon);
    let mut failed = None;
    for base in bases(settings, service.way(), is_amazon) {
        let read = Imds::open(service, &base, is_amazon).and_then(|imds| {
            let wants_network = settings.and_then(|settings| settings.apply_network_config) != Some(false);
            read(imds, shown_text(&base).trim_end_matches('/'), platform.as_ref(), wants_network, findings)
        });
        match read {
            Ok(seed) => return Ok(Fetched { seed, drive: None }),
            // One that may answer later has not had its last word.
            Err(error) if error.is_absent() => drop(failed.get_or_insert(error)),
            Err(error) if error.is_transient() => failed = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(failed.unwrap_or_else(|| Error::absent("this way leads to none of its addresses")))
}

/// Where it is asked by this way, without a `/` at the end.
fn bases(settings: Option<&MetadataService>, way: &Way, is_amazon: bool) -> Vec<String> {
    let (has_ipv4, has_ipv6) = way.interface.as_ref().map_or((true, true), |it| (it.has_ipv4, it.has_ipv6));
    let usual = [(IPV4, has_ipv4), (IPV6, has_ipv6 && is_amazon)];
    addresses(settings, usual.into_iter().filter(|(_, is_reached)| *is_reached).map(|(url, _)| url))
}

/// The seed that the service gives.
fn read(
    mut imds: Imds,
    place: &str,
    platform: Option<&Platform>,
    wants_network: bool,
    findings: &mut Findings,
) -> Result<Seed> {
    let (version, listing) = root(&mut imds, place)?;
    let tree =
        tree::walk(&listing, &mut |path, limit| imds.get(&format!("{version}/{META_DATA}/{path}"), limit), findings)?;
    let macs = tree.pointer("/network/interfaces/macs").filter(|macs| wants_network && macs.is_object());
    let mut seed = Seed {
        datasource: NAME.to_owned(),
        place: place.to_owned(),
        meta_format: MetaFormat::Ec2,
        meta_data: Document::new(META_DATA, tree.to_string()),
        // What the firmware says of the platform, which its service does not.
        more_meta_data: platform.iter().map(|it| Document::new(CLOUD_NAME, it.name)).collect(),
        network: macs
            .map(|macs| (NetworkFormat::Ec2, Document::new("meta-data/network/interfaces/macs", macs.to_string()))),
        user_data: None,
        vendor_data: Vec::new(),
        content: Default::default(),
    };
    // Before what is long: who has no id has no use for it.
    instance_id(&seed)?;
    let user_data = optional("user-data", imds.get(&format!("{version}/user-data"), FILE_LIMIT), findings)?;
    let user_data = user_data.map(|document| Document { bytes: user_data::plain(document.bytes), ..document });
    seed.user_data = user_data.filter(|document| !document.bytes.is_empty());
    if platform.is_some_and(Platform::is_amazon) {
        let identity = optional(IDENTITY, imds.get(&format!("{version}/{IDENTITY}"), DOCUMENT_LIMIT), findings)?;
        seed.content.extend(identity.map(|document| (document.name, document.bytes)));
    }
    Ok(seed)
}

/// The version to ask for, and the listing of its tree.
fn root(imds: &mut Imds, place: &str) -> Result<(&'static str, Vec<u8>)> {
    for version in VERSIONS {
        // With the `/` at the end, without which CloudStack has nothing.
        match imds.get(&format!("{version}/{META_DATA}/"), tree::LEAF_LIMIT) {
            Ok(Some(listing)) => return Ok((version, listing)),
            Ok(None) => {}
            Err(error) if error.status() == Some(FORBIDDEN) => return Err(imds::switched_off(&error)),
            Err(error) => return Err(error),
        }
    }
    Err(Error::absent(format!("{place} has no EC2 metadata")))
}
