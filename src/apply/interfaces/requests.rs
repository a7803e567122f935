// SPDX-License-Identifier: Apache-2.0
//! What an interface is changed with: `RTM_NEWLINK` and its attributes.

use crate::netlink::Interface;
use crate::netlink::message::{Message, flags};
use crate::network::model::options::{Form, Setting};
use crate::network::prefix::Mac;
use crate::network::render::kernel::{Make, number};
use crate::plan::interfaces::{IPV6_TARGETS, targets};

/// `IFLA_LINKINFO`, and in it `IFLA_INFO_KIND`, `IFLA_INFO_DATA`, `IFLA_INFO_SLAVE_KIND`, `IFLA_INFO_SLAVE_DATA`.
const INFO: u16 = 18;
const KIND: u16 = 1;
const DATA: u16 = 2;
const PORT_KIND: u16 = 4;
const PORT_DATA: u16 = 5;

fn one(index: u32, attribute: u16, value: &[u8]) -> Message {
    let mut message = Interface::change(index, 0, 0, 0);
    message.attribute(attribute, value);
    message
}

/// Another name.
pub fn rename(index: u32, name: &str) -> Message {
    let mut message = Interface::change(index, 0, 0, 0);
    message.text(3, name);
    message
}

/// Another hardware address.
pub fn mac(index: u32, mac: Mac) -> Message {
    one(index, 1, mac.octets())
}

/// Another MTU.
pub fn mtu(index: u32, mtu: u32) -> Message {
    one(index, 4, &mtu.to_ne_bytes())
}

/// A part of `master`; of nothing for 0.
pub fn master(index: u32, master: u32) -> Message {
    one(index, 10, &master.to_ne_bytes())
}

/// A new interface; `parent` is the number of what a VLAN is upon.
pub fn create(name: &str, make: &Make, parent: u32, mac: Option<Mac>, settings: &[Setting]) -> Message {
    let mut message = Interface::change(0, 0, 0, flags::CREATE | flags::EXCLUSIVE);
    message.text(3, name);
    if let Some(mac) = mac {
        message.attribute(1, mac.octets());
    }
    if parent != 0 {
        message.number(5, parent);
    }
    message.nested(INFO, |message| {
        message.text(KIND, make.kind()).nested(DATA, |message| {
            match make {
                Make::Vlan { id, .. } => {
                    message.attribute(1, &id.to_ne_bytes());
                }
                Make::Vrf { table } => {
                    message.number(1, *table);
                }
                Make::Bond | Make::Bridge | Make::Dummy => {}
            }
            settings.iter().for_each(|setting| put(message, setting));
        });
    });
    message
}

/// Other options.
pub fn options(index: u32, make: &Make, settings: &[Setting]) -> Message {
    info(index, KIND, make.kind(), DATA, |message| settings.iter().for_each(|setting| put(message, setting)))
}

/// Which of a bond's members is the first.
pub fn primary(index: u32, attribute: u16, member: u32) -> Message {
    info(index, KIND, "bond", DATA, |message| {
        message.number(attribute, member);
    })
}

/// An option of a bridge's port.
pub fn port(index: u32, setting: &Setting) -> Message {
    info(index, PORT_KIND, "bridge", PORT_DATA, |message| put(message, setting))
}

fn info(index: u32, kind: u16, name: &str, data: u16, fill: impl FnOnce(&mut Message)) -> Message {
    let mut message = Interface::change(index, 0, 0, 0);
    message.nested(INFO, |message| {
        message.text(kind, name).nested(data, fill);
    });
    message
}

/// An option, in as many bits as the kernel takes (`bond_policy`, `br_policy`, `br_port_policy`).
fn put(message: &mut Message, setting: &Setting) {
    let (attribute, form) = (setting.option.attribute, setting.option.form);
    if form == Form::Addresses {
        let (v4, v6) = targets(setting);
        for (attribute, addresses) in [(attribute, v4), (IPV6_TARGETS, v6)] {
            if !addresses.is_empty() {
                message.nested(attribute, |message| {
                    for (place, address) in (0..).zip(&addresses) {
                        message.attribute(place, address);
                    }
                });
            }
        }
        return;
    }
    let Some(value) = number(setting) else { return };
    let bytes = value.to_le_bytes();
    let [first, second, ..] = bytes;
    match setting.option.kernel {
        "mode" | "use_carrier" | "primary_reselect" | "fail_over_mac" | "xmit_hash_policy" | "num_grat_arp"
        | "all_slaves_active" | "lacp_rate" | "ad_select" | "tlb_dynamic_lb" => message.attribute(attribute, &[first]),
        "ad_actor_sys_prio" | "ad_user_port_key" | "priority" | "port_priority" => {
            message.attribute(attribute, &u16::from_le_bytes([first, second]).to_ne_bytes())
        }
        _ => message.number(attribute, value),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::{attributes, messages};

    #[test]
    fn an_interface_has_its_address_from_the_beginning() {
        let addresses = |mac: Option<Mac>| {
            let bytes = create("bond0", &Make::Bond, 0, mac, &[]).finish(1);
            let all = messages(&bytes).flat_map(|message| attributes(message.body, 16));
            all.filter(|(kind, _)| *kind == 1).map(|(_, value)| value.to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(addresses("fa:16:3e:02:00:01".parse().ok()), [[0xfa, 0x16, 0x3e, 2, 0, 1]]);
        assert!(addresses(None).is_empty());
    }
}
