// SPDX-License-Identifier: Apache-2.0
//! What this guest is: distribution, init, tools, NICs, DMI, kernel command line; read beneath the root that is changed.

use std::path::{Component, Path, PathBuf};

use crate::error::Result;
use crate::finding::closest;
use crate::root::{FileKind, Root, Tree as _};

pub mod disks;
mod dmi;
mod firmware;
mod nics;

pub use dmi::Dmi;
pub use nics::Nic;

const ZONES: &str = "/usr/share/zoneinfo";
/// `America/Argentina/Buenos_Aires`, and one more.
const ZONE_DEPTH: usize = 4;
const TOOL_DIRECTORIES: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
const UNITS: &str = "/etc/systemd/system";
/// Where distributions ship theirs, some of them enabled for good.
const SHIPPED_UNITS: &str = "/lib/systemd/system";
const RUNLEVELS: &str = "/etc/runlevels";

/// Facts about the guest. What every run needs is read at once, the rest when it is asked for.
///
/// What cannot be read counts as not there: facts are for decisions, and the decision for a file that is out of reach
/// is the same.
#[derive(Debug, Clone)]
pub struct Guest {
    /// `ID` of os-release, then its `ID_LIKE`.
    pub distribution: Vec<String>,
    /// `VERSION_ID` of os-release, e.g. `12`; empty where it has none.
    pub version: String,
    /// `VERSION_CODENAME` of os-release, e.g. `bookworm`, else what `VERSION` has between brackets (`Blue Onyx`); empty
    /// where there is none.
    pub codename: String,
    /// Network interfaces; `None` where the root shows none (an image that is not running).
    pub nics: Option<Vec<Nic>>,
    /// The kernel's command line.
    pub command_line: String,
    /// What the firmware says of the machine.
    pub dmi: Dmi,
    root: Root,
    elsewhere: bool,
}

/// Distributions that keep their settings in the same places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Family {
    /// Debian, Ubuntu and what is made of them.
    Debian,
    /// RHEL, its rebuilds, Fedora, Amazon Linux.
    RedHat,
    /// SLES and openSUSE.
    Suse,
    Alpine,
    Arch,
    /// None of these.
    Other,
}

impl Guest {
    /// Looks once.
    pub fn read(root: &Root) -> Result<Self> {
        let line = |path: &str| text(root, path).unwrap_or_default().trim().to_owned();
        let release = text(root, "/etc/os-release").or_else(|| text(root, "/usr/lib/os-release")).unwrap_or_default();
        Ok(Self {
            distribution: distribution(&release),
            version: released(&release, "VERSION_ID").to_owned(),
            codename: codename(&release).to_owned(),
            nics: nics::read(root)?,
            command_line: line("/proc/cmdline"),
            dmi: Dmi::read(root),
            root: root.clone(),
            elsewhere: false,
        })
    }

    /// Looks at the interfaces again until they are as wanted; see [`nics::settled`].
    pub fn wait_for_nics(&mut self, wanted: impl Fn(&[Nic], &[Nic]) -> bool) -> Result<()> {
        if self.is_live() && self.nics.is_some() {
            self.nics = nics::settled(&self.root, &wanted)?;
        }
        Ok(())
    }

    /// Looks at the interfaces again until each card that is there has one, under its final name.
    pub fn wait_for_cards(&mut self) -> Result<()> {
        let root = self.root.clone();
        self.wait_for_nics(|named, all| named.len() == all.len() && !nics::is_one_to_come(&root))
    }

    /// The interfaces that have their final names by now: one that is up can't be given another.
    pub fn named_nics(&self) -> Vec<Nic> {
        self.nics.iter().flatten().filter(|nic| nics::is_named(nic, &self.root)).cloned().collect()
    }

    /// Which family of distributions it is of, by os-release, else by the package manager that is there.
    pub fn family(&self) -> Family {
        let by_name = [
            (Family::Debian, &["debian", "ubuntu"][..]),
            (Family::RedHat, &["rhel", "fedora", "centos", "rocky", "almalinux", "ol", "amzn"]),
            (Family::Suse, &["suse", "opensuse", "sles"]),
            (Family::Alpine, &["alpine"]),
            (Family::Arch, &["arch", "archlinux"]),
        ];
        let by_tool = [
            (Family::Debian, "apt-get"),
            (Family::RedHat, "dnf"),
            (Family::RedHat, "yum"),
            (Family::Suse, "zypper"),
            (Family::Alpine, "apk"),
            (Family::Arch, "pacman"),
        ];
        let named = by_name.into_iter().find(|(_, names)| names.iter().any(|name| self.is_like(name)));
        let tool = || by_tool.into_iter().find(|(_, tool)| self.has_tool(tool));
        named.map(|(family, _)| family).or_else(|| tool().map(|(family, _)| family)).unwrap_or(Family::Other)
    }

    /// Whether it is of that family, or has one of its tools all the same.
    pub fn uses(&self, family: Family, tools: &[&str]) -> bool {
        self.family() == family || tools.iter().any(|tool| self.has_tool(tool))
    }

    /// Whether it is of that distribution or of one like it.
    pub fn is_like(&self, distribution: &str) -> bool {
        self.distribution.iter().any(|id| id == distribution)
    }

    /// Whether it has that group.
    pub fn has_group(&self, name: &str) -> bool {
        let groups = self.read_text("/etc/group").unwrap_or_default();
        groups.lines().any(|line| line.split(':').next() == Some(name))
    }

    /// Whether this is the running system, not an image.
    pub fn is_live(&self) -> bool {
        self.root.is_live()
    }

    /// The file of a time zone, as `/etc/localtime` links to it.
    pub fn zoneinfo(&self, zone: &str) -> Option<PathBuf> {
        let below = !zone.is_empty() && Path::new(zone).components().all(|part| matches!(part, Component::Normal(_)));
        let file = Path::new(ZONES).join(zone);
        (below && self.kind(&file) == Some(FileKind::File)).then_some(file)
    }

    /// The zone that was probably meant: spelt like it, or the one of that city.
    pub fn closest_zone(&self, zone: &str) -> Option<String> {
        let mut zones = Vec::new();
        self.zones_below("", ZONE_DEPTH, &mut zones);
        let city = || zones.iter().find(|name| name.rsplit('/').next().is_some_and(|it| it.eq_ignore_ascii_case(zone)));
        closest(zone, zones.iter().map(String::as_str)).or_else(|| city().map(String::as_str)).map(str::to_owned)
    }

    fn zones_below(&self, above: &str, depth: usize, zones: &mut Vec<String>) {
        let directory = Path::new(ZONES).join(above);
        for name in self.root.list(&directory).unwrap_or_default() {
            // The same zones once more, with and without leap seconds; and tables that are no zones.
            if depth == 0 || name == "posix" || name == "right" || name.contains('.') {
                continue;
            }
            let zone = if above.is_empty() { name } else { format!("{above}/{name}") };
            match self.kind(&Path::new(ZONES).join(&zone)) {
                Some(FileKind::Directory) => self.zones_below(&zone, depth - 1, zones),
                Some(FileKind::File) => zones.push(zone),
                _ => {}
            }
        }
    }

    /// Whether there is a program of that name where the guest's shells look for it. A guide to another machine can't tell,
    /// and nothing is to be said against a document on account of where it is checked.
    pub fn has_tool(&self, name: &str) -> bool {
        self.elsewhere || self.tool(name).is_some()
    }

    /// Where the program of that name is.
    pub fn tool(&self, name: &str) -> Option<String> {
        let places = TOOL_DIRECTORIES.iter().map(|directory| format!("{directory}/{name}"));
        places.into_iter().find(|path| self.is_program(path) == Some(true))
    }

    /// Whether there is that program, which is named as [`Guest::has_tool`] has it or by its path.
    pub fn has_program(&self, program: &str) -> bool {
        if program.contains('/') { self.is_program(program) == Some(true) } else { self.has_tool(program) }
    }

    /// Whether the file at `path` may be executed; `None` where there is no file.
    pub fn is_program(&self, path: &str) -> Option<bool> {
        let found = self.root.stat(Path::new(path)).ok().flatten();
        found.filter(|stat| stat.kind == FileKind::File).map(|stat| stat.mode & 0o111 != 0)
    }

    /// Whether systemd is the init: running, or installed in an image.
    pub fn is_systemd(&self) -> bool {
        let installed = || self.exists("/usr/lib/systemd/systemd") || self.exists("/lib/systemd/systemd");
        self.exists("/run/systemd/system") || (!self.is_live() && installed())
    }

    /// Whether a service is started at boot by the administrator's or the distribution's choice: `ssh.service` for
    /// systemd; OpenRC's name for it is without the ending. A masked one is not.
    pub fn service_enabled(&self, unit: &str) -> bool {
        if self.link_target(&format!("{UNITS}/{unit}")).is_some_and(|to| to == Path::new("/dev/null")) {
            return false;
        }
        let is_list = |name: &String| name.ends_with(".wants") || name.ends_with(".requires");
        let below = |units: &'static str| {
            self.list(units).into_iter().filter(is_list).map(move |name| format!("{units}/{name}"))
        };
        let wants = below(UNITS).chain(below(SHIPPED_UNITS));
        let levels = self.list(RUNLEVELS).into_iter().map(|name| format!("{RUNLEVELS}/{name}"));
        // By name: in an image the link may lead to where the unit is only once the guest runs.
        { wants }.any(|directory| self.list(&directory).iter().any(|name| name == unit))
            || levels.into_iter().any(|directory| {
                self.list(&directory).iter().any(|name| Some(name.as_str()) == unit.strip_suffix(".service"))
            })
    }

    /// The names of all users.
    pub fn users(&self) -> Vec<String> {
        let passwd = self.read_text("/etc/passwd").unwrap_or_default();
        let lines = passwd.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '+', '-']));
        lines.filter_map(|line| line.split(':').next()).map(str::to_owned).collect()
    }

    /// Whether there is a user of that name.
    pub fn has_user(&self, name: &str) -> bool {
        self.users().iter().any(|user| user == name)
    }

    /// The text of a file.
    pub fn read_text(&self, path: &str) -> Option<String> {
        text(&self.root, path)
    }

    /// The bytes of a file.
    pub fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        self.root.read(Path::new(path)).ok().flatten()
    }

    /// Whether there is something at `path`.
    pub fn exists(&self, path: &str) -> bool {
        self.root.exists(Path::new(path))
    }

    /// Whether `path` itself is a symbolic link, wherever it leads.
    pub fn is_link(&self, path: &str) -> bool {
        self.link_target(path).is_some()
    }

    /// Where the link at `path` itself points; `None` where there is no link.
    pub fn link_target(&self, path: &str) -> Option<PathBuf> {
        self.root.read_link(Path::new(path)).ok().flatten()
    }

    /// The names in a directory, sorted; none where it is not there.
    pub fn list(&self, path: &str) -> Vec<String> {
        self.root.list(Path::new(path)).unwrap_or_default()
    }

    fn kind(&self, path: &Path) -> Option<FileKind> {
        self.root.stat(path).ok().flatten().map(|stat| stat.kind)
    }
}

fn text(root: &Root, path: &str) -> Option<String> {
    root.read_text(Path::new(path)).ok().flatten()
}

/// `ID` and `ID_LIKE` of os-release(5).
fn distribution(release: &str) -> Vec<String> {
    ["ID", "ID_LIKE"].iter().flat_map(|key| released(release, key).split_whitespace()).map(str::to_owned).collect()
}

/// The release by its name.
fn codename(release: &str) -> &str {
    let between =
        |version: &'static str| released(release, version).split_once('(')?.1.split_once(')').map(|(name, _)| name);
    match released(release, "VERSION_CODENAME") {
        "" => between("VERSION").unwrap_or_default(),
        name => name,
    }
}

/// The value of one key of os-release(5).
fn released<'a>(release: &'a str, key: &str) -> &'a str {
    let line = release.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_default().trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn guest(scratch: &Scratch) -> Guest {
        Guest::read(&scratch.root()).unwrap()
    }

    #[test]
    fn a_machine_is_what_its_files_say() {
        let scratch = Scratch::new();
        scratch.file(
            "/usr/lib/os-release",
            "NAME=\"Rocky\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION=\"9.4 (Blue Onyx)\"\nVERSION_ID=\"9.4\"\n",
        );
        scratch.file("/proc/cmdline", "root=/dev/vda1 ds=nocloud\n");
        scratch.file("/sys/class/dmi/id/product_name", "OpenStack Nova\n");
        let guest = guest(&scratch);
        assert_eq!(guest.distribution, ["rocky", "rhel", "centos", "fedora"]);
        assert_eq!((guest.family(), guest.version.as_str()), (Family::RedHat, "9.4"));
        assert_eq!(guest.codename, "Blue Onyx");
        assert_eq!(guest.command_line, "root=/dev/vda1 ds=nocloud");
        assert_eq!((guest.dmi.product_name.as_str(), guest.dmi.sys_vendor.as_str()), ("OpenStack Nova", ""));
        assert_eq!(guest.nics, None, "an image shows no interfaces");
    }

    #[test]
    fn zones_are_found_and_guessed() {
        let scratch = Scratch::new();
        for zone in ["Europe/Lisbon", "America/Argentina/Buenos_Aires", "UTC", "posix/UTC", "zone.tab"] {
            scratch.file(&format!("{ZONES}/{zone}"), "");
        }
        scratch.file("/etc/shadow", "");
        let guest = guest(&scratch);
        assert_eq!(guest.zoneinfo("Europe/Lisbon").unwrap(), Path::new("/usr/share/zoneinfo/Europe/Lisbon"));
        for zone in ["", "Europe", "../../../etc/shadow", "/etc/shadow", "Nowhere"] {
            assert_eq!(guest.zoneinfo(zone), None, "{zone}");
        }
        for (asked, close) in [("Europe/Lisbonn", "Europe/Lisbon"), ("buenos_aires", "America/Argentina/Buenos_Aires")]
        {
            assert_eq!(guest.closest_zone(asked).as_deref(), Some(close));
        }
        assert_eq!(guest.closest_zone("Mars/Olympus"), None);
    }

    #[test]
    fn tools_and_services_are_those_that_would_run() {
        let scratch = Scratch::new();
        scratch.file("/usr/bin/netplan", "");
        scratch.file("/usr/bin/notes", "");
        std::fs::set_permissions(scratch.path("/usr/bin/netplan"), PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::set_permissions(scratch.path("/usr/bin/notes"), PermissionsExt::from_mode(0o644)).unwrap();
        symlink("/usr/bin", scratch.path("/bin")).unwrap();
        let wants = "/etc/systemd/system/multi-user.target.wants";
        std::fs::create_dir_all(scratch.path(wants)).unwrap();
        for unit in ["systemd-networkd.service", "masked.service"] {
            symlink(format!("/lib/systemd/system/{unit}"), scratch.path(&format!("{wants}/{unit}"))).unwrap();
        }
        symlink("/dev/null", scratch.path("/etc/systemd/system/masked.service")).unwrap();
        scratch.file("/etc/runlevels/boot/networking", "");
        let guest = guest(&scratch);
        assert!(guest.has_tool("netplan") && !guest.has_tool("notes") && !guest.has_tool("nmcli"));
        assert!(guest.service_enabled("systemd-networkd.service") && guest.service_enabled("networking.service"));
        assert!(!guest.service_enabled("masked.service") && !guest.service_enabled("ssh.service"));
        assert!(!guest.is_systemd());
        scratch.file("/usr/lib/systemd/systemd", "");
        assert!(guest.is_systemd());
    }

    #[test]
    fn users_are_those_of_passwd() {
        let scratch = Scratch::new();
        scratch.file(
            "/etc/passwd",
            "root:x:0:0::/root:/bin/sh\n#old:x:1:1::/old:\njoe:x:1000:1000::/srv/joe:/bin/sh\n+::::::\n",
        );
        let guest = guest(&scratch);
        assert_eq!(guest.users(), ["root", "joe"]);
        assert!(guest.has_user("root") && !guest.has_user("old"));
    }
}
