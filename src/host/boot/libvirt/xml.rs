// SPDX-License-Identifier: Apache-2.0
//! A machine as libvirt's domain XML.

use std::path::Path;

use quick_xml::Writer;
use quick_xml::events::{BytesText, Event};

use crate::error::{Error, Result};
use crate::host::qemu::{Accelerator, Boot, Disk, Machine};

const QEMU: &str = "http://libvirt.org/schemas/domain/qemu/1.0";

/// The domain.
///
/// # Errors
/// Malformed: a path is not UTF-8.
pub fn domain(machine: &Machine, accelerator: Accelerator) -> Result<String> {
    let mut xml = Xml { writer: Writer::new_with_indent(Vec::new(), b' ', 2), depth: Vec::new() };
    let kind = if accelerator == Accelerator::Kvm { "kvm" } else { "qemu" };
    xml.open("domain", &[("type", kind), ("xmlns:qemu", QEMU)])?;
    xml.text("name", &[], &machine.name)?;
    xml.text("memory", &[("unit", "MiB")], &machine.memory_mib.to_string())?;
    xml.text("vcpu", &[], &machine.processors.to_string())?;
    system(&mut xml, machine)?;
    xml.open("features", &[])?;
    xml.empty("acpi", &[])?;
    xml.close()?;
    // Distributions begin to ask for x86-64-v2 and v3.
    xml.empty("cpu", &[("mode", if accelerator == Accelerator::Kvm { "host-passthrough" } else { "maximum" })])?;
    xml.text("on_crash", &[], "destroy")?;
    devices(&mut xml, machine)?;
    cards_of_qemu(&mut xml, machine)?;
    xml.close()?;
    let mut text = xml.writer.into_inner();
    text.push(b'\n');
    String::from_utf8(text).map_err(|error| Error::fatal("cannot write XML").because(error))
}

fn system(xml: &mut Xml, machine: &Machine) -> Result<()> {
    xml.open("os", if machine.uefi { &[("firmware", "efi")] } else { &[] })?;
    xml.text("type", &[("arch", "x86_64"), ("machine", if machine.uefi { "q35" } else { "pc" })], "hvm")?;
    if let Some(kernel) = &machine.kernel {
        xml.text("kernel", &[], path(&kernel.kernel)?)?;
        if let Some(initrd) = &kernel.initrd {
            xml.text("initrd", &[], path(initrd)?)?;
        }
        xml.text("cmdline", &[], &kernel.command_line)?;
    }
    xml.close()
}

fn devices(xml: &mut Xml, machine: &Machine) -> Result<()> {
    xml.open("devices", &[])?;
    let (mut disks, mut discs) = (b'a'..=b'z', b'a'..=b'z');
    // A small kernel knows the CD drive of the old machine; the new one has it on SATA.
    let (bus, letters) = if machine.uefi { ("sata", "sd") } else { ("ide", "hd") };
    for (number, disk) in machine.disks.iter().enumerate() {
        let letter = if disk.cdrom { discs.next() } else { disks.next() };
        let letter = letter.map(char::from).ok_or_else(|| Error::malformed("a domain has 26 disks at most"))?;
        let target = if disk.cdrom { format!("{letters}{letter}") } else { format!("vd{letter}") };
        drive(xml, disk, &target, if disk.cdrom { bus } else { "virtio" }, place(machine, Boot::Disk(number)))?;
    }
    for (number, card) in machine.networks.iter().enumerate() {
        let Some((kind, bridge)) = known(&card.netdev) else { continue };
        xml.open("interface", &[("type", kind)])?;
        if let Some(bridge) = bridge {
            xml.empty("source", &[("bridge", bridge)])?;
        }
        if let Some(mac) = &card.mac {
            xml.empty("mac", &[("address", mac)])?;
        }
        xml.empty("model", &[("type", "virtio")])?;
        boot(xml, place(machine, Boot::Network(number)))?;
        xml.close()?;
    }
    for port in &machine.ports {
        xml.open("channel", &[("type", "unix")])?;
        xml.empty("target", &[("type", "virtio"), ("name", port)])?;
        xml.close()?;
    }
    xml.open("serial", &[("type", "pty")])?;
    if let Some(log) = &machine.serial_log {
        xml.empty("log", &[("file", path(log)?), ("append", "off")])?;
    }
    xml.empty("target", &[("port", "0")])?;
    xml.close()?;
    xml.open("rng", &[("model", "virtio")])?;
    xml.text("backend", &[("model", "random")], "/dev/urandom")?;
    xml.close()?;
    xml.empty("panic", &[("model", "isa")])?;
    xml.empty("memballoon", &[("model", "none")])?;
    xml.close()
}

fn drive(xml: &mut Xml, disk: &Disk, target: &str, bus: &str, place: Option<usize>) -> Result<()> {
    xml.open("disk", &[("type", "file"), ("device", if disk.cdrom { "cdrom" } else { "disk" })])?;
    // What is beneath an overlay is written in it, with its format.
    xml.empty("driver", &[("name", "qemu"), ("type", &disk.format), ("discard", "unmap")])?;
    xml.empty("source", &[("file", path(&disk.path)?)])?;
    xml.empty("target", &[("dev", target), ("bus", bus)])?;
    if disk.read_only {
        xml.empty("readonly", &[])?;
    }
    if let Some(serial) = &disk.serial {
        xml.text("serial", &[], serial)?;
    }
    boot(xml, place)?;
    xml.close()
}

fn boot(xml: &mut Xml, place: Option<usize>) -> Result<()> {
    place.map_or(Ok(()), |place| xml.empty("boot", &[("order", &(place + 1).to_string())]))
}

/// The place in the firmware's order; without one the disks as they come.
fn place(machine: &Machine, device: Boot) -> Option<usize> {
    if !machine.boot.is_empty() {
        return machine.boot.iter().position(|it| *it == device);
    }
    match device {
        Boot::Disk(number) => Some(number),
        Boot::Network(_) => None,
    }
}

/// The kind of a card that libvirt has words for, and its bridge.
fn known(netdev: &str) -> Option<(&'static str, Option<&str>)> {
    match netdev.strip_prefix("bridge,br=") {
        Some(bridge) => Some(("bridge", Some(bridge))),
        None => (netdev == "user").then_some(("user", None)),
    }
}

/// It has none for a card that leads nowhere: QEMU's own arguments say it.
fn cards_of_qemu(xml: &mut Xml, machine: &Machine) -> Result<()> {
    let cards: Vec<_> = machine.networks.iter().filter(|card| known(&card.netdev).is_none()).collect();
    if cards.is_empty() {
        return Ok(());
    }
    xml.open("qemu:commandline", &[])?;
    for (number, card) in cards.iter().enumerate() {
        let mac = card.mac.as_ref().map_or_else(String::new, |mac| format!(",mac={mac}"));
        let device = format!("virtio-net-pci,netdev=own{number},addr=0x{:x}{mac}", 0x1d_usize.saturating_sub(number));
        for value in ["-netdev", &format!("{},id=own{number}", card.netdev), "-device", &device] {
            xml.empty("qemu:arg", &[("value", value)])?;
        }
    }
    xml.close()
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Error::malformed(format!("the path {} is not UTF-8", path.display())))
}

struct Xml {
    writer: Writer<Vec<u8>>,
    depth: Vec<&'static str>,
}

impl Xml {
    fn open(&mut self, name: &'static str, attributes: &[(&str, &str)]) -> Result<()> {
        let start = quick_xml::events::BytesStart::new(name).with_attributes(attributes.iter().copied());
        self.depth.push(name);
        self.write(Event::Start(start))
    }

    fn close(&mut self) -> Result<()> {
        let name = self.depth.pop().unwrap_or_default();
        self.write(Event::End(quick_xml::events::BytesEnd::new(name)))
    }

    fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) -> Result<()> {
        self.write(Event::Empty(quick_xml::events::BytesStart::new(name).with_attributes(attributes.iter().copied())))
    }

    fn text(&mut self, name: &'static str, attributes: &[(&str, &str)], text: &str) -> Result<()> {
        self.open(name, attributes)?;
        self.write(Event::Text(BytesText::new(text)))?;
        self.close()
    }

    fn write(&mut self, event: Event<'_>) -> Result<()> {
        self.writer.write_event(event).map_err(|error| Error::fatal("cannot write XML").because(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::qemu::Network;

    #[test]
    fn names_are_escaped_and_devices_are_told() {
        let disk = |file: &str, cdrom| Disk { path: file.into(), format: "qcow2".to_owned(), cdrom, ..Disk::default() };
        let card = |netdev: &str| Network { netdev: netdev.to_owned(), mac: None };
        let machine = Machine {
            name: "a<b&\"c".to_owned(),
            memory_mib: 4096,
            processors: 4,
            disks: vec![disk("/d.qcow2", false), disk("/os.iso", true)],
            networks: vec![card("bridge,br=br0"), card("user,restrict=on")],
            ports: vec!["org.firstlight.report".to_owned()],
            boot: vec![Boot::Disk(1), Boot::Disk(0)],
            ..Machine::default()
        };
        let text = domain(&machine, Accelerator::Tcg).unwrap();
        for expected in [
            "<name>a&lt;b&amp;",
            "<memory unit=\"MiB\">4096</memory>",
            "<target dev=\"vda\" bus=\"virtio\"/>\n      <boot order=\"2\"/>",
            "<target dev=\"hda\" bus=\"ide\"/>\n      <boot order=\"1\"/>",
            "<source bridge=\"br0\"/>",
            "<qemu:arg value=\"user,restrict=on,id=own0\"/>",
            "<target type=\"virtio\" name=\"org.firstlight.report\"/>",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }
}
