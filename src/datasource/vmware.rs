// SPDX-License-Identifier: Apache-2.0
//! VMware: metadata, user-data and vendor-data in `guestinfo` variables of the virtual machine.
//!
//! As cloud-init's `DataSourceVMware`. There a variable that was wiped is one that is not set: a machine that lets its
//! user-data be wiped has none at the next boot. Here what was kept stays.

use crate::config::document::{Data, Node};
use crate::datasource::documents::{by_firmware, left_out};
use crate::datasource::guestinfo::{Guestinfo, Variable, decoded, name};
use crate::datasource::{Certainty, Context, Datasource, Fetched, Kept, Probe, Service, asked_for};
use crate::error::{Error, Kind, Result};
use crate::finding::{Finding, Findings};
use crate::guest::Guest;
use crate::instance::nocloud;
use crate::seed::{Document, MetaFormat, NetworkFormat, Seed};

/// See the file's head.
pub const DATASOURCE: Datasource = Datasource { name: NAME, is_remote: false, probe, fetch };

/// The datasource's name.
pub const NAME: &str = "vmware";

/// The variables; a value of each says that the machine is to be configured.
const KEYS: [&str; 3] = [METADATA, USERDATA, VENDORDATA];
const METADATA: &str = "metadata";
const USERDATA: &str = "userdata";
const VENDORDATA: &str = "vendordata";

/// The variables, where they may be asked for: the firmware names VMware, or somebody names this datasource.
fn guestinfo(context: &Context) -> Result<Guestinfo> {
    let alone = context.is_certain() && context.is_named(NAME);
    Guestinfo::of(context, alone || asked_for(context.guest, &[NAME]).is_some())
}

fn probe(context: &Context) -> Probe {
    let word = asked_for(context.guest, &[NAME]);
    let reason = match guestinfo(context).and_then(|guestinfo| guestinfo.first(&KEYS)) {
        Ok(Some(key)) => {
            let certainty = if word.is_some() { Certainty::Asked } else { Certainty::Here };
            return Probe { certainty, reason: name(key) };
        }
        Ok(None) => format!("none of {} is set", KEYS.map(name).join(", ")),
        Err(error) => error.without_advice(),
    };
    // One that is set from outside while the machine starts may be late.
    match word.filter(|_| context.root.is_machine()) {
        Some(word) => Probe { certainty: Certainty::Expected, reason: format!("{reason}, but {word}") },
        None => Probe { certainty: Certainty::Unlikely, reason },
    }
}

fn fetch(context: &Context, _: Option<&Service>, findings: &mut Findings) -> Result<Fetched> {
    let kept = context.kept.as_ref().filter(|kept| kept.datasource == NAME && context.is_same_machine());
    let kept = kept.and_then(|kept| Some((kept, Seed::load(context.root, &kept.id).ok()??)));
    Ok(Fetched { seed: read(&guestinfo(context)?, context.guest, kept, findings)?, drive: None })
}

/// Reads the variables. `kept` is what this very machine was configured with before.
///
/// # Errors
/// Absent: none is set. Malformed: the metadata can't be read. Of the others one that can't be read is a finding.
fn read(guestinfo: &Guestinfo, guest: &Guest, kept: Option<(&Kept, Seed)>, findings: &mut Findings) -> Result<Seed> {
    let metadata = guestinfo.get(METADATA)?;
    let mut others = [None, None];
    for (key, variable) in [USERDATA, VENDORDATA].into_iter().zip(&mut others) {
        match guestinfo.get(key) {
            Ok(value) => *variable = value,
            // Without what is there and can't be asked for, the instance would count as configured.
            Err(error) if error.kind() != Kind::Malformed => return Err(error),
            Err(error) => findings.push(left_out(&name(key), error)),
        }
    }
    let mut all = metadata.iter().chain(others.iter().flatten()).peekable();
    if all.peek().is_none() || kept.is_none() && all.all(|variable| *variable == Variable::Wiped) {
        return Err(Error::absent("no guestinfo variable is set, or each was wiped and what it said is not kept here"));
    }
    let meta_data = match (metadata, &kept) {
        (Some(Variable::Document(bytes)), _) => Document::new(name(METADATA), bytes),
        (Some(Variable::Wiped), Some((_, seed))) => seed.meta_data.clone(),
        _ => Document::new(name(METADATA), ""),
    };
    let meta = nocloud::parse(&meta_data, &mut Findings::default())?;
    let id = nocloud::text(&meta, "instance-id", &mut Findings::default()).map(|id| id.value);
    let id = id.unwrap_or_else(|| guest.dmi.product_uuid.clone());
    let kept = kept.filter(|(kept, _)| id == kept.id).map(|(_, seed)| seed);
    let mut document = |at: usize, before: Option<&Document>| match others.get_mut(at).and_then(Option::take)? {
        Variable::Document(bytes) => Some(Document::new(name(KEYS.get(at + 1)?), bytes)),
        Variable::Wiped => before.cloned(),
    };
    let user_data = document(0, kept.as_ref().and_then(|seed| seed.user_data.as_ref()));
    let vendor_data = document(1, kept.as_ref().and_then(|seed| seed.vendor_data.first()));
    if let Some(waits) = nocloud::value(&meta, "wait-on-network") {
        let text = "`wait-on-network` has no effect: nothing here waits for the machine's address to be known";
        findings.push(Finding::note(&waits.origin, text));
    }
    Ok(Seed {
        datasource: NAME.to_owned(),
        place: "guestinfo".to_owned(),
        meta_format: MetaFormat::NoCloud,
        meta_data,
        more_meta_data: by_firmware(guest).into_iter().collect(),
        network: network(&meta, findings).map(|document| (NetworkFormat::NetworkConfig, document)),
        user_data,
        vendor_data: vendor_data.into_iter().collect(),
        content: Default::default(),
    })
}

/// The network within the metadata: a mapping, or the text of one in the encoding that `network.encoding` names.
fn network(meta: &Node, findings: &mut Findings) -> Option<Document> {
    let node = nocloud::value(meta, "network")?;
    let title = format!("network in {}", node.origin.document_name());
    if matches!(node.data, Data::Mapping(_)) {
        return Some(Document::new(title, node.to_flow()));
    }
    let encoding = nocloud::text(meta, "network.encoding", findings).map_or_else(String::new, |name| name.value);
    let text = nocloud::text(meta, "network", findings)?;
    match decoded(text.value.into_bytes(), encoding.trim()) {
        Ok(bytes) => Some(Document::new(title, bytes)),
        Err(error) => {
            findings.push(error.while_doing("left out").finding(&node.origin));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasource::guestinfo::tests::vmtoolsd;
    use crate::instance::Instance;
    use crate::network::network_config::{self, Asked};
    use crate::scratch::Scratch;

    const MACHINE: &str = "4237b3c0-0000-4000-8000-00000000000a";

    /// What a machine with these variables gives, and what is said.
    fn seek(variables: &[(&str, &str)], kept: Option<(&Kept, Seed)>) -> (Result<Seed>, Vec<String>) {
        let scratch = Scratch::new();
        let mut findings = Findings::default();
        let mut guest = Guest::read(&scratch.root()).unwrap();
        guest.dmi.product_uuid = MACHINE.to_owned();
        let seed = read(&vmtoolsd(&scratch, variables), &guest, kept, &mut findings);
        (seed, findings.iter().map(ToString::to_string).collect())
    }

    fn instance(seed: &Seed) -> Instance {
        Instance::from_seed(seed, &mut Findings::default()).unwrap()
    }

    fn text(document: Option<&Document>) -> Option<&str> {
        document.map(|document| std::str::from_utf8(&document.bytes).unwrap())
    }

    const METADATA_TEXT: &str = "instance-id: i-1\nlocal-hostname: web\nredact: [userdata]\nnetwork:\n  version: 2\n  ethernets:\n    a: {match: {macaddress: 52:54:00:12:34:00}, dhcp4: yes}\n";

    #[test]
    fn three_variables_are_a_seed() {
        let variables = [
            (METADATA, METADATA_TEXT),
            (USERDATA, "IyEvYmluL3NoCg=="),
            ("userdata.encoding", "base64"),
            (VENDORDATA, "#cloud-config\n{}\n"),
        ];
        let (seed, findings) = seek(&variables, None);
        let seed = seed.unwrap();
        assert_eq!(findings, [""; 0]);
        let who = instance(&seed);
        assert_eq!((who.id.as_str(), who.hostname.unwrap().as_str()), ("i-1", "web"));
        assert_eq!(who.redact[0].value, "userdata");
        assert_eq!(text(seed.user_data.as_ref()), Some("#!/bin/sh\n"));
        assert_eq!(text(seed.vendor_data.first()), Some("#cloud-config\n{}\n"));
        let (_, network) = seed.network.unwrap();
        let mut findings = Findings::default();
        let Some(Asked::Network(network)) = network_config::read(&network, &mut findings) else { panic!() };
        assert!(!findings.has_errors());
        assert!(format!("{network:?}").contains("[82, 84, 0, 18, 52, 0, "), "{network:?}");
    }

    #[test]
    fn a_machine_that_nobody_named_is_called_by_its_firmware() {
        let (seed, _) = seek(&[(USERDATA, "#!/bin/sh")], None);
        assert_eq!(instance(&seed.unwrap()).id.value, MACHINE);
        let (seed, _) =
            seek(&[(METADATA, "{\"local-hostname\": \"web\", \"wait-on-network\": {\"ipv4\": true}}")], None);
        assert_eq!(instance(&seed.unwrap()).id.value, MACHINE);
        let (seed, _) = seek(&[("metadata.encoding", "b64"), (USERDATA, " ")], None);
        assert!(seed.unwrap_err().is_absent());
    }

    #[test]
    fn the_network_may_be_packed_text() {
        let packed = "dmVyc2lvbjogMgo=";
        for (metadata, expected) in [
            (format!("network: {packed}\nnetwork.encoding: base64\n"), Some("version: 2\n")),
            ("network: 'version: 2'\n".to_owned(), Some("version: 2")),
            (format!("network: '!{packed}'\nnetwork.encoding: base64\n"), None),
        ] {
            let (seed, findings) = seek(&[(METADATA, &metadata)], None);
            assert_eq!(text(seed.unwrap().network.as_ref().map(|(_, document)| document)), expected);
            assert_eq!(findings.is_empty(), expected.is_some(), "{findings:?}");
        }
    }

    #[test]
    fn what_is_broken_costs_itself_unless_it_says_who_this_is() {
        let coded = ("userdata.encoding", "base64");
        let (seed, findings) = seek(&[(METADATA, "instance-id: i"), (USERDATA, "!!"), coded], None);
        assert!(seed.unwrap().user_data.is_none());
        assert!(findings[0].starts_with("guestinfo.userdata: error: left out: "), "{findings:?}");
        let (seed, _) = seek(&[(METADATA, "a: ["), (USERDATA, "#!/bin/sh")], None);
        assert!(!seed.unwrap_err().is_absent());
    }

    #[test]
    fn what_was_wiped_is_what_was_kept_on_the_same_machine() {
        let first = [(METADATA, METADATA_TEXT), (USERDATA, "#!/bin/sh")];
        let before = seek(&first, None).0.unwrap();
        let kept = Kept { id: "i-1".to_owned(), datasource: NAME.to_owned(), machine: Some(MACHINE.to_owned()) };
        let again = |variables: &[(&str, &str)]| seek(variables, Some((&kept, before.clone()))).0;
        assert_eq!(again(&[(METADATA, METADATA_TEXT), (USERDATA, "---")]).unwrap(), before);
        assert_eq!(again(&[(METADATA, "---"), (USERDATA, "---")]).unwrap(), before);
        assert_eq!(again(&[(METADATA, "---"), (USERDATA, "#!/bin/sh")]).unwrap(), before);
        let other = again(&[(METADATA, "instance-id: i-2"), (USERDATA, "---")]).unwrap();
        assert!(other.user_data.is_none(), "another instance's user-data is not this one's");
        assert!(again(&[]).unwrap_err().is_absent());
        let (stranger, _) = seek(&[(METADATA, "---"), (USERDATA, "---")], None);
        assert!(stranger.unwrap_err().is_absent());
    }
}
