// SPDX-License-Identifier: Apache-2.0
//! Which of the guest's interfaces a link means, and what each is called once the guest is up.

use crate::finding::{Finding, Findings, Located};
use crate::guest::Nic;
use crate::network::glob;
use crate::network::model::{Kind, Link, Match, NetworkConfig};
use crate::network::prefix::Mac;
use crate::network::words::{NAME, is_free_name};

/// The interface that `link` means; of several the first.
pub fn nic_of<'a>(link: &Link, nics: &'a [Nic]) -> Option<&'a Nic> {
    nics.iter().find(|nic| means(link, nic))
}

/// The name of the interface of `link` once the guest is up, for managers that know interfaces by their names.
///
/// A virtual interface is called by its `id`. Hardware gets its set-name, else keeps the name of its NIC. Where the
/// guest's NICs are not known (an image that is not running), the document's own word counts, unless it is a pattern or
/// a MAC address. `None` where nothing tells: an absent NIC is reported by `render()` already, for every renderer alike.
pub fn interface_name(link: &Link, nics: Option<&[Nic]>) -> Option<String> {
    let Some(physical) = link.physical() else { return Some(link.id.clone()) };
    let nic = nics.map(|nics| nic_of(link, nics));
    let name = match (&physical.set_name, nic) {
        (_, Some(None)) => return None,
        (Some(name), _) => &name.value,
        (None, Some(Some(nic))) => &nic.name,
        (None, None) => match (&physical.by.mac, &physical.by.name) {
            (_, Some(name)) if !glob::is_pattern(name) => &name.value,
            (None, None) if physical.by.drivers.is_empty() => &link.id,
            _ => return None,
        },
    };
    Some(name.clone())
}

/// The name of the interface of the link with this `id`: a member or a parent of another. See [`interface_name`].
pub fn interface_named(id: &str, config: &NetworkConfig, nics: Option<&[Nic]>) -> Option<String> {
    interface_name(config.links.iter().find(|link| link.id == id)?, nics)
}

/// Whether an interface's address is the one that a document gives; of `InfiniBand` the document knows but a part.
pub(super) fn has_mac(nic: &Nic, mac: Mac) -> bool {
    nic.mac.parse().is_ok_and(|other| mac.means(&other))
}

/// Whether all that `link` says of its hardware holds for `nic`.
fn means(link: &Link, nic: &Nic) -> bool {
    let Some(by) = link.physical().map(|physical| &physical.by) else { return false };
    match (&by.mac, &by.name) {
        (None, None) if by.drivers.is_empty() => return nic.name == link.id,
        _ => {}
    }
    by.mac.as_ref().is_none_or(|mac| has_mac(nic, mac.value))
        && by.name.as_ref().is_none_or(|name| glob::fits(name, &nic.name))
        && (by.drivers.is_empty() || by.drivers.iter().any(|driver| glob::fits(driver, &nic.driver)))
}

impl Match {
    /// Whether it may mean several interfaces.
    pub(super) fn is_pattern(&self) -> bool {
        self.mac.is_none() && self.name.as_ref().map_or(!self.drivers.is_empty(), |name| glob::is_pattern(name))
    }
}

/// The network in which every set-name can be had, and each interface has a link of its own where the manager knows
/// interfaces only `by_name`; what cannot be had is reported.
pub(super) fn settled(
    mut config: NetworkConfig,
    nics: Option<&[Nic]>,
    by_name: bool,
    findings: &mut Findings,
) -> NetworkConfig {
    if let Some(nics) = nics.filter(|_| by_name) {
        spell_out(&mut config, nics);
    }
    // Who may not go keeps the name that another waits for, who then may not go either.
    let mut settled = false;
    while !settled {
        settled = true;
        for index in 0..config.links.len() {
            let Some(reason) = refused(index, &config, nics) else { continue };
            let own = config.links.get(index).zip(nics).and_then(|(link, nics)| nic_of(link, nics));
            let own = own.map_or("the interface", |nic| nic.name.as_str());
            let Some(Kind::Physical(physical)) = config.links.get_mut(index).map(|link| &mut link.kind) else {
                continue;
            };
            let Some(name) = physical.set_name.take() else { continue };
            let message = format!("{own} keeps its name: `{}` {reason}", name.value);
            findings.push(Finding::error(&name.origin, message));
            settled = false;
        }
    }
    if let Some(nics) = nics.filter(|_| by_name) {
        renamed_by_others(&mut config, nics);
    }
    config
}

/// Lets each entry that asks for no name know the one that another entry gives its interface.
fn renamed_by_others(config: &mut NetworkConfig, nics: &[Nic]) {
    let nic = |link: &Link| nic_of(link, nics).map(|nic| nic.name.clone());
    let given = |link: &Link| Some((nic(link)?, link.physical()?.set_name.clone()?));
    let given: Vec<(String, Located<String>)> = config.links.iter().filter_map(given).collect();
    for link in &mut config.links {
        let own = nic(link);
        let name = given.iter().find(|(old, _)| Some(old) == own.as_ref()).map(|(_, name)| name.clone());
        if let Kind::Physical(physical) = &mut link.kind {
            physical.set_name = physical.set_name.take().or(name);
        }
    }
}

/// Gives each interface that a pattern means a link of its own, named after it. One that another link means without a
/// pattern, or an earlier one with, is not meant.
fn spell_out(config: &mut NetworkConfig, nics: &[Nic]) {
    let plain = |link: &&Link| link.physical().is_some_and(|physical| !physical.by.is_pattern());
    let plain: Vec<&Link> = config.links.iter().filter(plain).collect();
    let mut free: Vec<&Nic> = nics.iter().filter(|nic| !plain.iter().any(|link| means(link, nic))).collect();
    let mut spelt = Vec::with_capacity(config.links.len());
    let mut ids: Vec<(String, Vec<String>)> = Vec::new();
    for link in &config.links {
        let pattern = link.physical().is_some_and(|physical| physical.by.is_pattern());
        let (meant, others): (Vec<&Nic>, _) = free.iter().partition(|nic| pattern && means(link, nic));
        if meant.is_empty() {
            // Where each interface that it means is another's, there is nothing left of it.
            if !pattern || !nics.iter().any(|nic| means(link, nic)) {
                spelt.push(link.clone());
            }
            continue;
        }
        free = others;
        let mut own = Vec::new();
        for nic in &meant {
            let mut one = link.clone();
            if meant.len() > 1 {
                one.id = format!("{}-{}", link.id, nic.name);
            }
            if let Kind::Physical(physical) = &mut one.kind {
                physical.by.name = Some(Located::new(nic.name.clone(), link.origin.clone()));
            }
            own.push(one.id.clone());
            spelt.push(one);
        }
        ids.push((link.id.clone(), own));
    }
    for link in &mut spelt {
        if let Kind::Bond { members, .. } | Kind::Bridge { members, .. } | Kind::Vrf { members, .. } = &mut link.kind {
            let own = |member: Located<String>| match ids.iter().find(|(id, _)| *id == member.value) {
                Some((_, own)) => own.iter().map(|id| Located::new(id.clone(), member.origin.clone())).collect(),
                None => vec![member],
            };
            *members = std::mem::take(members).into_iter().flat_map(own).collect();
        }
    }
    config.links = spelt;
}

/// Why a link cannot have the name that it asks for, if it asks for one.
fn refused(index: usize, config: &NetworkConfig, nics: Option<&[Nic]>) -> Option<String> {
    let link = config.links.get(index)?;
    let name = set_name(link)?;
    if !is_free_name(name) {
        return Some(format!("is not a name that an interface can get ({NAME})"));
    }
    let own = nics.and_then(|nics| nic_of(link, nics));
    if own.is_some_and(|own| own.name == name) {
        return None;
    }
    let before = config.links.iter().take(index).find(|other| set_name(other) == Some(name));
    let made = config.links.iter().find(|other| other.physical().is_none() && other.id == name);
    if let Some(other) = before.or(made) {
        return Some(format!("is that of `{}`", other.id));
    }
    let nics = nics?;
    let is_of = |link: &Link, nic: &Nic| nic_of(link, nics).is_some_and(|own| own.name == nic.name);
    let own = own?;
    if let Some(other) = config.links.iter().take(index).find(|other| set_name(other).is_some() && is_of(other, own)) {
        return Some(format!("is a second one, behind that of `{}`", other.id));
    }
    let holder = nics.iter().find(|nic| nic.name == name && nic.name != own.name)?;
    let goes = |other: &Link| set_name(other).is_some_and(|other| other != name) && is_of(other, holder);
    let stays = !config.links.iter().any(goes);
    stays.then(|| format!("is that of another one ({}), which keeps it", holder.mac))
}

fn set_name(link: &Link) -> Option<&str> {
    link.physical()?.set_name.as_ref().map(|name| name.value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Origin;
    use crate::network::model::Physical;

    fn at(text: &str) -> Located<String> {
        Located::new(text.to_owned(), Origin::document("d"))
    }

    /// A link for each `(id, pattern, set-name)`.
    fn config(links: &[(&str, &str, &str)]) -> NetworkConfig {
        let mut config = NetworkConfig::new(Origin::document("d"));
        for (id, pattern, name) in links {
            let set_name = (!name.is_empty()).then(|| at(name));
            let physical = Physical { by: Match::named(at(pattern)), set_name, ..Physical::default() };
            config.links.push(Link::new((*id).to_owned(), Kind::Physical(physical), Origin::document("d")));
        }
        config
    }

    fn nics(names: &[&str]) -> Vec<Nic> {
        let nic = |(index, name): (usize, &&str)| Nic {
            name: (*name).to_owned(),
            mac: format!("02:00:00:00:00:0{index}"),
            ..Nic::default()
        };
        names.iter().enumerate().map(nic).collect()
    }

    fn named(config: &NetworkConfig, nics: &[Nic]) -> Vec<String> {
        let name = |link: &Link| format!("{} {}", link.id, interface_name(link, Some(nics)).unwrap_or_default());
        config.links.iter().map(name).collect()
    }

    #[test]
    fn a_pattern_is_each_interface_that_nobody_names_where_names_count() {
        let mut network = config(&[("all", "e*", ""), ("first", "ens3", "")]);
        let bond = Kind::Bond { members: vec![at("all")], settings: Vec::new() };
        network.links.push(Link::new("bond0".to_owned(), bond, Origin::document("d")));
        let nics = nics(&["ens3", "ens4", "ens5"]);
        let network = settled(network, Some(&nics), true, &mut Findings::default());
        assert_eq!(named(&network, &nics), ["all-ens4 ens4", "all-ens5 ens5", "first ens3", "bond0 bond0"]);
        let members: Vec<&str> = network.links[3].members().iter().map(|member| member.as_str()).collect();
        assert_eq!(members, ["all-ens4", "all-ens5"]);
    }

    #[test]
    fn of_a_pattern_nothing_is_left_where_each_interface_is_another_s() {
        let nics = nics(&["ens3", "ens4"]);
        let network = config(&[("all", "e*", ""), ("rest", "*", ""), ("first", "ens3", "")]);
        let network = settled(network, Some(&nics), true, &mut Findings::default());
        assert_eq!(named(&network, &nics), ["all ens4", "first ens3"]);
    }

    #[test]
    fn names_are_swapped_but_not_taken_from_one_that_stays() {
        let nics = nics(&["eth0", "eth1"]);
        let settled = |links| {
            let mut findings = Findings::default();
            let config = settled(config(links), Some(&nics), false, &mut findings);
            (named(&config, &nics), findings.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let (names, findings) = settled(&[("a", "eth0", "eth1"), ("b", "eth1", "eth0")]);
        assert_eq!((names, findings), (vec!["a eth1".to_owned(), "b eth0".to_owned()], Vec::new()));
        let (names, findings) = settled(&[("a", "eth0", "eth1"), ("b", "eth1", "")]);
        assert_eq!(names, ["a eth0", "b eth1"]);
        assert!(findings[0].contains("is that of another one (02:00:00:00:00:01)"), "{findings:?}");
        // `b` cannot go, so that `a` cannot either.
        let (names, findings) = settled(&[("a", "eth0", "eth1"), ("b", "eth1", "much-too-long-a-name")]);
        assert_eq!((names, findings.len()), (vec!["a eth0".to_owned(), "b eth1".to_owned()], 2));
        let (names, findings) = settled(&[("a", "eth0", "lan"), ("b", "eth1", "lan")]);
        assert_eq!(names, ["a lan", "b eth1"]);
        assert!(findings[0].contains("is that of `a`"), "{findings:?}");
    }

    #[test]
    fn an_entry_follows_the_name_that_another_gives_its_interface() {
        let nics = nics(&["eth0", "eth1"]);
        let network = config(&[("a", "eth0", "lan"), ("b", "eth0", ""), ("c", "eth1", "")]);
        let network = settled(network, Some(&nics), true, &mut Findings::default());
        assert_eq!(named(&network, &nics), ["a lan", "b lan", "c eth1"]);
    }

    #[test]
    fn an_image_tells_a_name_only_where_the_document_has_it() {
        let network = config(&[("a", "eth0", ""), ("b", "eth*", ""), ("c", "eth*", "lan")]);
        let names: Vec<_> = network.links.iter().map(|link| interface_name(link, None)).collect();
        assert_eq!(names, [Some("eth0".to_owned()), None, Some("lan".to_owned())]);
    }
}
