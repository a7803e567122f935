// SPDX-License-Identifier: Apache-2.0
//! The keyboard's layout, on the console and under X.
//!
//! Keys as cloud-init's `cc_keyboard`. The files are written that `localectl` and `setup-keymap` write; neither is called,
//! as the one needs a bus that the boot does not have yet, and an image has no programs that could run.

use crate::finding::{Finding, Findings, Located};
use crate::guest::{Family, Guest};
use crate::modules::assignments::assign;
use crate::modules::{Input, Module, Planner};
use crate::plan::action::{Edit, Write};
use crate::plan::step::{Frequency, Stage};

/// See the file's head.
pub const MODULE: Module =
    Module { name: "keyboard", stage: Stage::Local, frequency: Frequency::PerInstance, keys: Keys::KEYS, plan };

crate::keys! {
    struct Keys {
        /// The keyboard.
        keyboard: Located<Keyboard>,
    }
}

crate::keys! {
    /// A keyboard, in the words of XKB.
    struct Keyboard {
        /// Layout, e.g. `de`; required.
        layout: Located<String>,
        /// Model; `pc105` unless given.
        model: Located<String>,
        /// Variant of the layout, e.g. `nodeadkeys`.
        variant: Located<String>,
        /// Options, e.g. `compose:rwin`.
        options: Located<String>,
    }
}

/// A layout whose words are fit for every file that they go to.
#[derive(Clone)]
struct Layout {
    layout: String,
    model: String,
    variant: String,
    options: String,
}

impl Layout {
    /// With XKB's name for each word.
    fn words(&self, names: [&'static str; 4]) -> impl Iterator<Item = (&'static str, &str)> {
        names.into_iter().zip([self.layout.as_str(), &self.model, &self.variant, &self.options])
    }
}

fn plan(input: &Input, planner: &mut Planner) {
    let Some(asked) = Keys::take(input.config, &mut planner.findings).keyboard else { return };
    let Some(layout) = layout(&asked, &mut planner.findings) else { return };
    match input.guest.family() {
        Family::Debian => debian(&layout, &asked, input, planner),
        Family::Alpine => alpine(&layout, &asked, input.guest, planner),
        _ => systemd(&layout, &asked, input.guest, planner),
    }
}

fn layout(asked: &Located<Keyboard>, findings: &mut Findings) -> Option<Layout> {
    let mut word = |word: &Option<Located<String>>, otherwise: &str| {
        let Some(word) = word else { return Some(otherwise.to_owned()) };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-+,:.()/".contains(c);
        if word.chars().all(is_plain) {
            return Some(word.value.clone());
        }
        let wrong = format!("`{}` is no word of XKB; the keyboard stays as it is", word.escape_debug());
        findings.push(Finding::error(&word.origin, wrong).help("words as in `localectl list-x11-keymap-layouts`"));
        None
    };
    let layout = Layout {
        layout: word(&asked.layout, "")?,
        model: word(&asked.model, "pc105")?,
        variant: word(&asked.variant, "")?,
        options: word(&asked.options, "")?,
    };
    if layout.layout.is_empty() {
        let missing = "a keyboard needs a `layout`; it stays as it is";
        findings.push(Finding::error(&asked.origin, missing).help("keyboard: {layout: us}"));
        return None;
    }
    Some(layout)
}

/// keyboard(5) of console-setup.
fn debian(layout: &Layout, asked: &Located<Keyboard>, input: &Input, planner: &mut Planner) {
    let there = input.guest.has_tool("setupcon");
    if !there && !input.installs("console-setup") {
        let missing = "this guest has no console-setup: the console keeps its layout until that is installed";
        planner.finding(Finding::warning(&asked.origin, missing).help("add `packages: [console-setup]`"));
    }
    let layout = layout.clone();
    let edit = move |old: &str| {
        let old = if old.is_empty() { "BACKSPACE=\"guess\"\n" } else { old };
        layout
            .words(["XKBLAYOUT", "XKBMODEL", "XKBVARIANT", "XKBOPTIONS"])
            .fold(old.to_owned(), |text, (key, word)| assign(&text, key, &format!("\"{word}\"")))
    };
    let step = planner.step("keyboard", &asked.origin).edit(Edit::new("/etc/default/keyboard", edit));
    // Systemd fails for a unit that is not there.
    if there {
        step.restart("console-setup.service", input.guest);
    }
}

/// vconsole.conf(5), and X's file in the form that `localectl` reads back.
fn systemd(layout: &Layout, asked: &Located<Keyboard>, guest: &Guest, planner: &mut Planner) {
    let keymap = keymap(layout, guest);
    if keymap.is_none() {
        let unknown = format!("the console has no keymap for the layout `{}`; X alone gets it", layout.layout);
        planner.finding(Finding::warning(&asked.origin, unknown).help("`localectl list-keymaps` shows what there is"));
    }
    let step = planner.step("keyboard", &asked.origin);
    if let Some(keymap) = keymap {
        step.edit(Edit::new("/etc/vconsole.conf", move |old| assign(old, "KEYMAP", &keymap)));
    }
    let options: String = (layout.words(["XkbLayout", "XkbModel", "XkbVariant", "XkbOptions"]))
        .filter(|(_, word)| !word.is_empty())
        .map(|(name, word)| format!("        Option \"{name}\" \"{word}\"\n"))
        .collect();
    let content = format!(
        "# Written by firstlight (keyboard); localectl(1) changes it.\n\
         Section \"InputClass\"\n        Identifier \"system-keyboard\"\n        MatchIsKeyboard \"on\"\n\
         {options}EndSection\n"
    );
    step.write(Write::new("/etc/X11/xorg.conf.d/00-keyboard.conf", content))
        .restart("systemd-vconsole-setup.service", guest);
}

/// Where the console's keymaps that were made from XKB's layouts are.
const KEYMAPS: [&str; 3] = ["/usr/share/keymaps/xkb", "/usr/share/kbd/keymaps/xkb", "/usr/lib/kbd/keymaps/xkb"];
/// The console's names for XKB's layouts: columns console, layout, model, variant, options.
const MODEL_MAP: &str = "/usr/share/systemd/kbd-model-map";

/// The console's keymap for a layout, found as systemd-localed does. A guest that shows neither table is taken at its word.
fn keymap(layout: &Layout, guest: &Guest) -> Option<String> {
    let Layout { layout, variant, .. } = layout;
    let made = if variant.is_empty() { layout.clone() } else { format!("{layout}-{variant}") };
    let is_there = |name: &str| {
        KEYMAPS.iter().any(|directory| {
            ["map.gz", "map"].iter().any(|ending| guest.exists(&format!("{directory}/{name}.{ending}")))
        })
    };
    if is_there(&made) {
        return Some(made);
    }
    let Some(map) = guest.read_text(MODEL_MAP) else { return Some(layout.clone()) };
    let rows: Vec<Vec<&str>> =
        (map.lines().filter(|line| !line.starts_with('#'))).map(|line| line.split_whitespace().collect()).collect();
    let row =
        |variant: &str| rows.iter().find(|row| row.get(1) == Some(&layout.as_str()) && row.get(3) == Some(&variant));
    let wanted = if variant.is_empty() { "-" } else { variant };
    let any = || rows.iter().find(|row| row.get(1) == Some(&layout.as_str()));
    let found = row(wanted).or_else(|| row("-")).or_else(any).and_then(|row| row.first());
    found.map(|name| (*name).to_owned()).or_else(|| is_there(layout).then(|| layout.clone()))
}

/// busybox's loadkmap; its keymaps are named by layout and variant.
fn alpine(layout: &Layout, asked: &Located<Keyboard>, guest: &Guest, planner: &mut Planner) {
    let Layout { layout, variant, .. } = layout;
    let variant = if variant.is_empty() { layout } else { variant };
    let directory = format!("/usr/share/bkeymaps/{layout}");
    let file = format!("{directory}/{variant}.bmap.gz");
    if !guest.exists(&file) {
        let missing = format!("no keymap `{layout}`/`{variant}` in this guest; the keyboard stays as it is");
        let mut there: Vec<String> = guest.list(&directory);
        there.iter_mut().for_each(|name| *name = name.trim_end_matches(".bmap.gz").to_owned());
        let help = if there.is_empty() {
            "layouts are those below /usr/share/bkeymaps; the package is kbd-bkeymaps".to_owned()
        } else {
            format!("variants of `{layout}`: {}", there.join(", "))
        };
        return planner.finding(Finding::error(&asked.origin, missing).help(help));
    }
    planner
        .step("keyboard", &asked.origin)
        .edit(Edit::new("/etc/conf.d/loadkmap", move |old| assign(old, "KEYMAP", &file)))
        .link("/etc/runlevels/boot/loadkmap", "/etc/init.d/loadkmap")
        .restart("loadkmap", guest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::Bench;

    const GERMAN: &str = "keyboard: {layout: de, variant: nodeadkeys, options: 'compose:rwin'}";

    #[test]
    fn debian_has_one_file_for_console_and_x() {
        let bench = Bench::new(GERMAN).file("/etc/os-release", "ID=debian\n").program("/bin/setupcon");
        let outcome = bench.file("/etc/default/keyboard", "# mine\nXKBLAYOUT=\"us\"\nBACKSPACE=\"bs\"\n").plan(plan);
        assert_eq!(
            outcome.content("/etc/default/keyboard").as_deref(),
            Some(
                "# mine\nXKBLAYOUT=\"de\"\nBACKSPACE=\"bs\"\nXKBMODEL=\"pc105\"\nXKBVARIANT=\"nodeadkeys\"\n\
                 XKBOPTIONS=\"compose:rwin\"\n"
            )
        );
        assert!(outcome.findings.is_empty());
        let without = Bench::new(GERMAN).file("/etc/os-release", "ID=debian\n").plan(plan);
        assert!(without.said()[0].contains("packages: [console-setup]"));
    }

    #[test]
    fn a_console_without_its_setup_is_said_and_no_unit_is_asked() {
        let bench = Bench::new(GERMAN).file("/etc/os-release", "ID=debian\n").program("/usr/lib/systemd/systemd");
        let outcome = bench.plan(plan);
        assert!(outcome.content("/etc/default/keyboard").is_some() && outcome.programs().is_empty());
        assert!(outcome.said()[0].contains("add `packages: [console-setup]`"));
    }

    #[test]
    fn systemd_s_files_are_those_of_localectl() {
        let fedora = |config: &str| {
            let bench = Bench::new(config).file("/etc/os-release", "ID=fedora\n");
            let map = "# console layout model variant options\nde-latin1 de pc105 - x\nsg ch pc105 de_nodeadkeys x\n";
            bench.file(MODEL_MAP, map).file("/usr/lib/kbd/keymaps/xkb/de-nodeadkeys.map.gz", "").plan(plan)
        };
        let outcome = fedora(GERMAN);
        assert_eq!(outcome.content("/etc/vconsole.conf").as_deref(), Some("KEYMAP=de-nodeadkeys\n"));
        let x = outcome.content("/etc/X11/xorg.conf.d/00-keyboard.conf").unwrap();
        assert!(x.contains("Option \"XkbLayout\" \"de\"\n") && x.contains("Option \"XkbOptions\" \"compose:rwin\"\n"));
        let console = |config: &str| fedora(config).content("/etc/vconsole.conf");
        assert_eq!(console("keyboard: {layout: de}").as_deref(), Some("KEYMAP=de-latin1\n"));
        assert_eq!(console("keyboard: {layout: ch}").as_deref(), Some("KEYMAP=sg\n"));
        assert_eq!(console("keyboard: {layout: xx}"), None);
        assert!(fedora("keyboard: {layout: xx}").said()[0].contains("no keymap for the layout `xx`"));
    }

    #[test]
    fn alpine_loads_a_keymap_of_its_own_format() {
        let alpine = |config: &str| {
            let bench = Bench::new(config).file("/etc/os-release", "ID=alpine\n");
            bench.file("/usr/share/bkeymaps/de/de-nodeadkeys.bmap.gz", "").plan(plan)
        };
        let outcome = alpine("keyboard: {layout: de, variant: de-nodeadkeys}");
        let expected = "KEYMAP=/usr/share/bkeymaps/de/de-nodeadkeys.bmap.gz\n";
        assert_eq!(outcome.content("/etc/conf.d/loadkmap").as_deref(), Some(expected));
        assert!(alpine(GERMAN).said()[0].ends_with("variants of `de`: de-nodeadkeys"));
    }

    #[test]
    fn a_keyboard_without_a_layout_or_with_a_strange_one_stays() {
        for bad in ["{}", "{model: pc104}", "{layout: 'a\"b'}", "{layout: us, options: 'a b'}", "us"] {
            let outcome = Bench::new(&format!("keyboard: {bad}")).plan(plan);
            assert_eq!((outcome.steps().len(), outcome.findings.iter().count()), (0, 1), "{bad}");
        }
    }
}
