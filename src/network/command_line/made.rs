// SPDX-License-Identifier: Apache-2.0
//! `bond=`, `bridge=`, `vlan=`: interfaces that dracut makes out of others (dracut.cmdline(7)).

use crate::finding::{Finding, Findings, Located, Origin};
use crate::network::command_line::fields;
use crate::network::command_line::ip::Reader;
use crate::network::model::options::{BOND, LinkOption, Setting};
use crate::network::model::{Kind, Link};
use crate::network::words::{self, is_free_name};

/// Adds them, the lower ones first.
pub fn read(reader: &mut Reader, findings: &mut Findings) {
    let line = reader.line;
    for key in ["bond", "bridge", "vlan", "team"] {
        for (value, origin) in line.values(key) {
            made(reader, key, &fields(value), &origin, findings);
        }
    }
}

fn made(reader: &mut Reader, key: &str, fields: &[&str], origin: &Origin, findings: &mut Findings) {
    let field = |number: usize, default: &'static str| {
        fields.get(number).copied().filter(|field| !field.is_empty()).unwrap_or(default)
    };
    let (name, kind) = match key {
        "bond" => {
            let members = members(reader, field(1, "eth0,eth1"), origin, findings);
            let settings = settings(field(2, "mode=balance-rr"), origin, findings);
            (field(0, "bond0"), Kind::Bond { members, settings })
        }
        "bridge" => {
            let members = members(reader, field(1, "eth0"), origin, findings);
            (field(0, "br0"), Kind::Bridge { members, settings: Vec::new() })
        }
        "vlan" => {
            let name = field(0, "");
            let digits = name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
            let id = name.get(digits..).and_then(|id| id.parse().ok()).filter(|id| words::VLAN.contains(id));
            let (Some(id), Some(parent)) = (id, members(reader, field(1, ""), origin, findings).pop()) else {
                let message = format!(
                    "`{}` is not NAME:DEVICE with a tag of 1 to 4094 at the name's end; it is left out",
                    fields.join(":")
                );
                return findings.push(Finding::error(origin, message));
            };
            (name, Kind::Vlan { id, parent })
        }
        _ => {
            return findings
                .push(Finding::error(origin, "teams are not known here; it is left out").help("use `bond=`"));
        }
    };
    if !is_free_name(name) {
        return findings
            .push(Finding::error(origin, format!("`{name}` is not the name of an interface; it is left out")));
    }
    let link = match reader.config.links.iter_mut().find(|link| link.id == name) {
        // Another word made something out of it before.
        Some(link) => {
            link.kind = kind;
            link
        }
        None => {
            reader.config.links.push(Link::new(name.to_owned(), kind, origin.clone()));
            let Some(link) = reader.config.links.last_mut() else { return };
            link
        }
    };
    if let ("bond", Ok(mtu)) = (key, field(3, "").parse()) {
        link.mtu = words::mtu(Located::new(mtu, origin.clone()), *words::MTU.start(), findings);
    }
}

/// The links of these devices, which are there from here on.
fn members(reader: &mut Reader, devices: &str, origin: &Origin, findings: &mut Findings) -> Vec<Located<String>> {
    let devices = devices.split(',').filter(|device| !device.is_empty());
    let mut id = |device| Some(reader.link(device, origin, findings)?.id.clone());
    devices.filter_map(|device| Some(Located::new(id(device)?, origin.clone()))).collect()
}

fn settings(options: &str, origin: &Origin, findings: &mut Findings) -> Vec<Located<Setting>> {
    let mut settings = Vec::new();
    for word in options.split(',').filter(|word| !word.is_empty()) {
        let (name, text) = word.split_once('=').unwrap_or((word, ""));
        let value = match LinkOption::named(BOND, name) {
            // Several addresses: a comma would end the option.
            Some(option) => option.value(&text.replace(';', ",")).map(|value| (option, value)),
            None => Err("bonds have no such option".to_owned()),
        };
        match value {
            Ok((option, value)) => {
                settings.push(Located::new(Setting { option, value, member: None }, origin.clone()));
            }
            Err(reason) => findings.push(Finding::error(origin, format!("`{word}` is left out: {reason}"))),
        }
    }
    settings
}
