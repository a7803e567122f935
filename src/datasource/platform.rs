// SPDX-License-Identifier: Apache-2.0
//! Which platform the firmware says that this machine is on: tables of what clouds write there.

use crate::datasource::Context;
use crate::datasource::drives;
use crate::finding::{Finding, Located, Origin};
use crate::guest::{Dmi, Guest};
use crate::state;

/// A field of DMI.
pub(super) type Field = fn(&Dmi) -> &str;

/// A field, and values that each name the platform; see [`is`].
type Names = (Field, &'static [&'static str]);

/// OpenStack, as ds-identify knows it.
const OPENSTACK: &[Names] = &[
    (|dmi| &dmi.product_name, &["OpenStack Nova", "OpenStack Compute"]),
    (|dmi| &dmi.sys_vendor, &["OpenStack Foundation"]),
    (
        |dmi| &dmi.chassis_asset_tag,
        &[
            "OpenStack Nova",
            "OpenStack Compute",
            "OpenTelekomCloud",
            "HUAWEICLOUD",
            "SAP CCloud VM",
            "Samsung Cloud Platform",
        ],
    ),
];

/// VMware's hypervisors, from the desktop's to the cloud's.
const VMWARE: &[Names] = &[(|dmi| &dmi.sys_vendor, &["VMware*"]), (|dmi| &dmi.product_name, &["VMware*"])];

/// Why this is OpenStack; `None` where nothing says so.
pub(super) fn openstack(guest: &Guest) -> Option<String> {
    named(guest, OPENSTACK)
}

/// Why this is a virtual machine of VMware's; `None` where nothing says so.
pub(super) fn vmware(guest: &Guest) -> Option<String> {
    named(guest, VMWARE)
}

/// Platforms that we have no datasource for, as ds-identify knows them.
const OTHERS: &[(&str, Names)] = &[
    ("Akamai", (|dmi| &dmi.sys_vendor, &["Akamai", "Linode"])),
    ("Alibaba Cloud", (|dmi| &dmi.product_name, &["Alibaba Cloud ECS"])),
    ("Azure", (|dmi| &dmi.chassis_asset_tag, &["7783-7084-3265-9085-8269-3286-77"])),
    ("CloudCIX", (|dmi| &dmi.product_name, &["CloudCIX"])),
    ("CloudSigma", (|dmi| &dmi.product_name, &["CloudSigma"])),
    ("CloudStack", (|dmi| &dmi.product_name, &["CloudStack*"])),
    ("DigitalOcean", (|dmi| &dmi.sys_vendor, &["DigitalOcean"])),
    ("Exoscale", (|dmi| &dmi.product_name, &["Exoscale*"])),
    ("Google Compute Engine", (|dmi| &dmi.product_name, &["Google Compute Engine"])),
    ("Google Compute Engine", (|dmi| &dmi.product_serial, &["GoogleCloud-*"])),
    ("Hetzner", (|dmi| &dmi.sys_vendor, &["Hetzner"])),
    ("NWCS", (|dmi| &dmi.sys_vendor, &["NWCS"])),
    ("Oracle Cloud", (|dmi| &dmi.chassis_asset_tag, &["OracleCloud.com"])),
    ("Scaleway", (|dmi| &dmi.sys_vendor, &["Scaleway"])),
    ("SmartOS", (|dmi| &dmi.product_name, &["SmartDC*"])),
    ("UpCloud", (|dmi| &dmi.sys_vendor, &["UpCloud"])),
    ("Vultr", (|dmi| &dmi.sys_vendor, &["Vultr"])),
];

/// Labels of media of platforms that we have no datasource for.
const LABELS: &[(&str, &str)] = &[("CONTEXT", "OpenNebula"), ("CLOUDMD", "RbxCloud"), ("cloudmd", "RbxCloud")];

/// What to say where this is a platform that we have no datasource for.
pub(super) fn unsupported(context: &Context) -> Option<Finding> {
    let by_firmware =
        || OTHERS.iter().find_map(|(name, names)| Some((*name, named(context.guest, std::slice::from_ref(names))?)));
    let by_label = || {
        let (label, name) = LABELS.iter().find(|(label, _)| !context.drives(|there| there == *label).is_empty())?;
        Some((*name, drives::place(context.drives(|there| there == *label).first()?)))
    };
    let (name, why) = by_firmware().or_else(by_label)?;
    let text = format!("there is no datasource for {name}: {why}");
    let help = format!(
        "a medium labelled cidata or config-2, or the directory {}, configures it all the same",
        state::IMAGE_SEED
    );
    Some(Finding::note(&Origin::document("platform"), text).help(help))
}

/// What to say where a seed at `place` is for another machine of OpenStack's than this one: nova gives a machine the id of
/// its instance.
pub fn of_another_machine(id: &Located<String>, place: &str, guest: &Guest) -> Option<Finding> {
    let machine = &guest.dmi.product_uuid;
    let differs = !machine.is_empty() && !guest.dmi.has_uuid(id) && openstack(guest).is_some();
    let text = format!("{place} is for `{}`, and this machine is `{machine}` by its firmware; it is used", id.value);
    differs.then(|| Finding::warning(&id.origin, text))
}

/// Whether a name is one that is known, of which a `*` at one end stands for anything.
pub(super) fn is(name: &str, known: &str) -> bool {
    match (known.strip_suffix('*'), known.strip_prefix('*')) {
        (Some(beginning), _) => name.starts_with(beginning),
        (None, Some(end)) => name.ends_with(end),
        (None, None) => name == known,
    }
}

fn named(guest: &Guest, names: &[Names]) -> Option<String> {
    let is_known = |name: &&str, known: &[&str]| known.iter().any(|known| is(name, known));
    let name = names.iter().find_map(|(field, known)| Some(field(&guest.dmi)).filter(|name| is_known(name, known)))?;
    Some(format!("the firmware names `{name}`"))
}
