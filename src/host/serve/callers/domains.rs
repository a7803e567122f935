// SPDX-License-Identifier: Apache-2.0
//! libvirt's domains as its XML describes them: name, uuid, cards, and whether they run.

use std::collections::BTreeMap;
use std::sync::Arc;

use quick_xml::XmlVersion::Implicit1_0;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Error as XmlError, Reader};

use crate::error::{Error, Result};
use crate::host::serve::callers::names::is_uuid;
use crate::network::prefix::Mac;

/// Elements within elements that are looked at: what is deeper is nothing of ours.
const DEPTH: usize = 64;
/// Cards of one domain that are read: more than any hypervisor has slots for.
const CARDS: usize = 256;
/// Bytes of a name.
const NAME: usize = 4096;

/// A domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Domain {
    pub name: String,
    pub uuid: String,
    /// Of all its interfaces, whatever they are connected to.
    pub macs: Vec<Mac>,
    /// It has a number, which libvirt gives to what runs.
    pub runs: bool,
}

/// Who has a card, and who a name.
#[derive(Debug, Clone, Default)]
pub struct Domains {
    cards: BTreeMap<Mac, Vec<Arc<Domain>>>,
    names: BTreeMap<String, Arc<Domain>>,
}

impl Domains {
    /// Out of what `virsh dumpxml` printed, of any number of domains one behind the other.
    ///
    /// # Errors
    /// Malformed: it is no XML, or goes past a bound. No document type is read, so an entity stands for no more than itself.
    pub fn read(xml: &[u8]) -> Result<Vec<Domain>> {
        let text = std::str::from_utf8(xml).map_err(|_| wrong("it is not UTF-8"))?;
        read(text)
    }

    /// Of all of these.
    pub fn new(domains: Vec<Domain>) -> Self {
        let mut all = Self::default();
        for domain in domains.into_iter().map(Arc::new) {
            for mac in &domain.macs {
                let owners = all.cards.entry(*mac).or_default();
                if !owners.iter().any(|owner: &Arc<Domain>| owner.uuid == domain.uuid) {
                    owners.push(Arc::clone(&domain));
                }
            }
            all.names.insert(domain.name.clone(), domain);
        }
        all
    }

    /// The domain of that name.
    pub fn named(&self, name: &str) -> Option<Arc<Domain>> {
        self.names.get(name).cloned()
    }

    /// Whose card it is. Of several domains that have it, the one that runs: it is on the network.
    ///
    /// # Errors
    /// Fatal: several that have it run, or none of them does. Neither may be given what is another's.
    pub fn owner(&self, mac: &Mac) -> Result<Option<Arc<Domain>>> {
        let owners = self.cards.get(mac).map(Vec::as_slice).unwrap_or_default();
        if let [] | [_] = owners {
            return Ok(owners.first().cloned());
        }
        let mut running = owners.iter().filter(|owner| owner.runs);
        if let (Some(owner), None) = (running.next(), running.next()) {
            return Ok(Some(Arc::clone(owner)));
        }
        let names: Vec<&str> = owners.iter().map(|owner| owner.name.as_str()).collect();
        let message = format!("{mac} is a network card of several domains: {}", names.join(", "));
        Err(Error::fatal(message).help("give one of them another (`virsh edit`): nobody can tell who asks"))
    }

    /// How many cards there are.
    pub fn len(&self) -> usize {
        self.cards.len()
    }
}

fn wrong(why: impl std::fmt::Display) -> Error {
    Error::malformed(format!("what virsh says of the domains can't be read: {why}"))
}

fn read(text: &str) -> Result<Vec<Domain>> {
    let mut reader = Reader::from_str(text);
    let (mut path, mut domains, mut domain) = (Vec::<String>::new(), Vec::new(), Domain::default());
    // Metadata may be as deep as their owner likes: nothing of it is kept, and the other domains are none the worse.
    let mut deeper = 0_u64;
    loop {
        let event = reader.read_event().map_err(wrong)?;
        match &event {
            Event::Start(element) | Event::Empty(element) => {
                if path.len() >= DEPTH {
                    deeper += u64::from(matches!(event, Event::Start(_)));
                    continue;
                }
                path.push(element.local_name().as_ref().to_owned());
                begin(&path, element, &mut domain).map_err(wrong)?;
                if matches!(event, Event::Empty(_)) {
                    path.pop();
                }
            }
            Event::End(_) if deeper > 0 => deeper -= 1,
            Event::End(_) => {
                path.pop();
                if path.is_empty() {
                    domains.extend(Some(std::mem::take(&mut domain)).filter(is_one));
                }
            }
            Event::Text(text) => add(&path, &text.xml_content(Implicit1_0), &mut domain),
            Event::GeneralRef(entity) => {
                let character = entity.resolve_char_ref().map_err(wrong)?;
                let text = quick_xml::escape::resolve_xml_entity(entity).map(str::to_owned);
                add(&path, &character.map(String::from).or(text).unwrap_or_default(), &mut domain);
            }
            Event::Eof if path.is_empty() => return Ok(domains),
            Event::Eof => return Err(wrong("it is cut short")),
            _ => {}
        }
    }
}

/// What an element says by itself.
fn begin(path: &[String], element: &BytesStart, domain: &mut Domain) -> Result<(), XmlError> {
    match place(path).as_slice() {
        ["domain"] => domain.runs = attribute(element, "id")?.is_some_and(|id| id.parse::<u32>().is_ok()),
        // A card whose address is not one (a passed-through function that has its own) is none that could be known.
        ["domain", "devices", "interface", "mac"] if domain.macs.len() < CARDS => {
            domain.macs.extend(attribute(element, "address")?.and_then(|mac| mac.parse::<Mac>().ok()));
        }
        _ => {}
    }
    Ok(())
}

/// What an element says by its text.
fn add(path: &[String], text: &str, domain: &mut Domain) {
    let value = match place(path).as_slice() {
        ["domain", "name"] => &mut domain.name,
        ["domain", "uuid"] => &mut domain.uuid,
        _ => return,
    };
    if value.len() + text.len() <= NAME {
        value.push_str(text);
    }
}

fn place(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

fn attribute(element: &BytesStart, name: &str) -> Result<Option<String>, XmlError> {
    Ok(element.try_get_attribute(name)?.map(|attribute| attribute.value.into_owned()))
}

fn is_one(domain: &Domain) -> bool {
    !domain.name.is_empty() && is_uuid(&domain.uuid)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As `virsh dumpxml` prints one, with all kinds of interfaces; and behind it another, which is off.
    const TWO: &str = r#"
<domain type='kvm' id='3' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>R&amp;D&#x20;1</name>
  <uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid>
  <metadata><other:name xmlns:other='http://example.com/'><name>not this</name></other:name></metadata>
  <devices>
    <interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/></interface>
    <interface type='bridge'><mac address='52:54:00:00:00:02'></mac><source bridge='br0'/></interface>
    <interface type='direct'><mac address='52:54:00:00:00:03'/><source dev='eth0' mode='bridge'/></interface>
    <interface type='user'><mac address='52:54:00:00:00:0A'/><alias name='net3'/></interface>
    <hostdev><mac address='52:54:00:00:00:ff'/></hostdev>
  </devices>
</domain>

<domain type='kvm'>
  <name>off</name>
  <uuid>7795eb01-f6a4-8304-79aa-97f2502e193f</uuid>
  <devices><interface type='ethernet'><mac address='52:54:00:00:00:01'/></interface></devices>
</domain>
"#;

    fn domain(name: &str, runs: bool) -> Domain {
        let macs = vec!["52:54:00:00:00:01".parse().unwrap()];
        Domain { name: name.to_owned(), uuid: format!("uuid of {name}"), macs, runs }
    }

    #[test]
    fn every_kind_of_interface_is_a_card() {
        let domains = Domains::read(TWO.as_bytes()).unwrap();
        let [first, second] = domains.as_slice() else { panic!("{domains:?}") };
        assert_eq!((first.name.as_str(), first.uuid.as_str()), ("R&D 1", "6695eb01-f6a4-8304-79aa-97f2502e193f"));
        let macs: Vec<_> = first.macs.iter().map(Mac::to_string).collect();
        assert_eq!(macs, ["52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03", "52:54:00:00:00:0a"]);
        assert_eq!((first.runs, second.name.as_str(), second.runs), (true, "off", false));
    }

    #[test]
    fn of_two_with_the_same_card_the_running_one_asks() {
        let mac = "52:54:00:00:00:01".parse().unwrap();
        let owner = |domains| Domains::new(domains).owner(&mac).map(|owner| owner.map(|owner| owner.name.clone()));
        assert_eq!(owner(vec![]).unwrap(), None);
        assert_eq!(owner(vec![domain("a", false)]).unwrap().as_deref(), Some("a"), "it may have begun to run just now");
        assert_eq!(owner(vec![domain("a", false), domain("b", true)]).unwrap().as_deref(), Some("b"));
        for runs in [true, false] {
            let error = owner(vec![domain("a", runs), domain("b", runs)]).unwrap_err().to_string();
            assert!(error.contains("52:54:00:00:00:01 is a network card of several domains: a, b"), "{error}");
        }
        let mut twice = domain("a", true);
        twice.macs.push(mac);
        assert_eq!(owner(vec![twice]).unwrap().as_deref(), Some("a"), "two cards of one domain are its own affair");
    }

    #[test]
    fn what_is_deep_costs_nobody_anything() {
        let deep = format!("<metadata>{}<mac/>{}</metadata>", "<a>".repeat(DEPTH + 9), "</a>".repeat(DEPTH + 9));
        let domains = Domains::read(TWO.replace("<devices>", &format!("{deep}<devices>")).as_bytes()).unwrap();
        assert_eq!(domains, Domains::read(TWO.as_bytes()).unwrap());
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        let cut = TWO.split_at(TWO.len() / 2).0;
        assert!(Domains::read(cut.as_bytes()).unwrap_err().to_string().contains("can't be read"));
        assert!(Domains::read(b"\xff").is_err());
        assert!(Domains::read(b"error: nothing\n").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "(<|>|/|domain|name|uuid|id='1'|&#1;|&lt;|&x;| |mac){0,40}") {
            let _ = Domains::read(text.as_bytes());
        }
    }
}
