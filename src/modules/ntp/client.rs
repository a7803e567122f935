// SPDX-License-Identifier: Apache-2.0
//! The clients that are known: their programs, files, services and packages in each family of distributions.

use std::path::{Path, PathBuf};

use crate::guest::{Family, Guest};
use crate::modules::assignments::assign;
use crate::modules::ntp::sources::{HEADER, Sources, with_sources};
use crate::plan::action::{Action, Edit, Write};

/// In the order in which one that is installed is taken, which is the peer's.
pub const CLIENTS: [&str; 5] = ["chrony", "systemd-timesyncd", "ntp", "ntpdate", "openntpd"];

/// How a client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Style {
    Chrony,
    Ntpd,
    OpenNtpd,
    Timesyncd,
    /// busybox's ntpd, which Alpine's service gives its servers as options.
    Busybox,
    /// As `Ntpd`, and it ends when the time is set: ntpdate.
    Once,
    /// Its whole file is given.
    Template,
}

impl Style {
    pub fn has_peers(self) -> bool {
        matches!(self, Self::Chrony | Self::Ntpd | Self::Once | Self::Template)
    }
}

/// A client in this guest.
#[derive(Debug, Clone)]
pub struct Client {
    pub style: Style,
    /// By which it is known to be installed: a name, or a path.
    pub program: String,
    pub file: PathBuf,
    pub service: String,
    /// What it comes from; the first one tells.
    pub packages: Vec<String>,
}

impl Client {
    /// A known client as this guest has it, or would have it.
    pub fn named(name: &str, guest: &Guest) -> Option<Self> {
        use Family::{Alpine, Debian};
        let family = guest.family();
        let found = |paths: &[&'static str]| paths.iter().copied().find(|path| guest.exists(path));
        let openntpd = found(&["/etc/openntpd/ntpd.conf", "/etc/ntpd.conf"]);
        let (style, program, file, service) = match name {
            "chrony" => {
                let file =
                    if matches!(family, Debian | Alpine) { "/etc/chrony/chrony.conf" } else { "/etc/chrony.conf" };
                (Style::Chrony, "chronyd", file, if family == Debian { "chrony" } else { "chronyd" })
            }
            "systemd-timesyncd" => {
                let programs = ["/usr/lib/systemd/systemd-timesyncd", "/lib/systemd/systemd-timesyncd"];
                let program = found(&programs).unwrap_or("/usr/lib/systemd/systemd-timesyncd");
                (Style::Timesyncd, program, "/etc/systemd/timesyncd.conf.d/firstlight.conf", name)
            }
            "ntp" if family == Alpine && found(&["/etc/conf.d/ntpd"]).is_some() && openntpd.is_none() => {
                (Style::Busybox, "ntpd", "/etc/conf.d/ntpd", "ntpd")
            }
            "ntp" => match found(&["/etc/ntpsec/ntp.conf"]) {
                Some(file) => (Style::Ntpd, "ntpd", file, "ntpsec"),
                None if openntpd.is_some() => (Style::Ntpd, "/usr/sbin/ntp-keygen", "/etc/ntp.conf", "ntp"),
                None => (Style::Ntpd, "ntpd", "/etc/ntp.conf", if family == Debian { "ntp" } else { "ntpd" }),
            },
            "ntpdate" => (Style::Once, "ntpdate", "/etc/ntp.conf", "ntpdate"),
            "openntpd" => {
                let default = if family == Debian { "/etc/openntpd/ntpd.conf" } else { "/etc/ntpd.conf" };
                // ntpd is the program of others too: its file tells.
                (Style::OpenNtpd, openntpd.unwrap_or(default), openntpd.unwrap_or(default), "openntpd")
            }
            _ => return None,
        };
        Some(Self {
            style,
            program: program.to_owned(),
            file: file.into(),
            service: service.to_owned(),
            packages: vec![name.to_owned()],
        })
    }

    /// A client of which nothing is known but what its user says.
    pub fn custom(service: &str) -> Self {
        Self {
            style: Style::Template,
            program: String::new(),
            file: PathBuf::new(),
            service: service.to_owned(),
            packages: Vec::new(),
        }
    }

    pub fn is_installed(&self, guest: &Guest) -> bool {
        guest.has_program(&self.program)
    }

    /// The changes that make it ask these sources.
    pub fn edits(&self, sources: &Sources, guest: &Guest) -> Vec<Action> {
        let edit_of = |file: &Path, lines: String, keywords| {
            Action::Edit(Edit::new(file, move |old| with_sources(old, &lines, keywords)))
        };
        let edit = |lines, keywords| edit_of(&self.file, lines, keywords);
        let hosts = [sources.servers.as_slice(), &sources.pools].concat();
        match self.style {
            Style::Timesyncd => {
                // An empty one first, as what the main file says would be added to.
                let content = format!("{HEADER}[Time]\nNTP=\nNTP={}\n", hosts.join(" "));
                vec![Action::Write(Write::new(&self.file, content))]
            }
            Style::Busybox => {
                let hosts: String = hosts.iter().map(|host| format!(" -p {host}")).collect();
                let options = format!("\"-N{hosts}\"");
                vec![Action::Edit(Edit::new(&self.file, move |old| assign(old, "NTPD_OPTS", &options)))]
            }
            Style::OpenNtpd => vec![edit(sources.openntpd(), &["server", "servers"])],
            // Where the package is still to come, it may be ntpsec under ntp's name.
            Style::Ntpd if !self.is_installed(guest) => [self.file.as_path(), Path::new("/etc/ntpsec/ntp.conf")]
                .map(|file| edit_of(file, sources.ntpd(), &["server", "pool", "peer"]))
                .into(),
            Style::Ntpd | Style::Once | Style::Template => vec![edit(sources.ntpd(), &["server", "pool", "peer"])],
            Style::Chrony => match self.drop_ins(guest) {
                Some(directory) => vec![
                    Action::Write(Write::new(
                        format!("{directory}/firstlight.conf"),
                        format!("{HEADER}{}", sources.chrony()),
                    )),
                    edit(String::new(), &["server", "pool", "peer"]),
                ],
                None => vec![edit(sources.chrony(), &["server", "pool", "peer"])],
            },
        }
    }

    /// The directory below `/etc` from which chrony's main file takes whole files in.
    fn drop_ins(&self, guest: &Guest) -> Option<String> {
        let main = guest.read_text(&self.file.to_string_lossy())?;
        let mut included = main.lines().filter_map(|line| {
            let (keyword, argument) = line.trim().split_once(char::is_whitespace)?;
            match keyword.to_ascii_lowercase().as_str() {
                "confdir" => argument.split_whitespace().find(|directory| directory.starts_with("/etc/")),
                "include" => argument.trim().strip_suffix("/*.conf").filter(|directory| directory.starts_with("/etc/")),
                _ => None,
            }
        });
        included.next_back().map(|directory| directory.trim_end_matches('/').to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::Bench;

    /// What the client's file becomes in a guest of that os-release with these files.
    fn told(name: &str, id: &str, files: &[(&str, &str)], file: &str) -> String {
        let bench = Bench::new("").file("/etc/os-release", &format!("ID={id}\n"));
        let bench = files.iter().fold(bench, |bench, (path, content)| bench.file(path, content));
        let outcome = bench.plan(|input, planner| {
            let sources = Sources { servers: vec!["a".into()], pools: vec!["p".into()], ..Sources::default() };
            let client = Client::named(name, input.guest).unwrap();
            planner.step("ntp", &input.config.origin).actions = client.edits(&sources, input.guest);
        });
        outcome.content(file).unwrap_or_default()
    }

    #[test]
    fn each_client_is_told_in_its_own_words() {
        let block = "# firstlight: ntp\nserver a iburst\npool p iburst\n# firstlight: end\n";
        let rhel = [("/etc/chrony.conf", "pool 2.rhel.pool.ntp.org iburst\nsourcedir /run/chrony-dhcp\n")];
        let expected = format!("{block}#pool 2.rhel.pool.ntp.org iburst\nsourcedir /run/chrony-dhcp\n");
        assert_eq!(told("chrony", "rhel", &rhel, "/etc/chrony.conf"), expected);
        let suse = [("/etc/chrony.conf", "include /etc/chrony.d/*.conf\n")];
        assert!(
            told("chrony", "sles", &suse, "/etc/chrony.d/firstlight.conf")
                .ends_with("server a iburst\npool p iburst\n")
        );
        let alpine = [("/etc/conf.d/ntpd", "NTPD_OPTS=\"-N -p pool.ntp.org\"\n")];
        assert_eq!(told("ntp", "alpine", &alpine, "/etc/conf.d/ntpd"), "NTPD_OPTS=\"-N -p a -p p\"\n");
        assert_eq!(told("ntp", "debian", &[("/etc/ntpsec/ntp.conf", "")], "/etc/ntpsec/ntp.conf"), block);
        let open = [("/etc/openntpd/ntpd.conf", "servers pool.ntp.org\n")];
        let expected = "# firstlight: ntp\nserver a\nservers p\n# firstlight: end\n#servers pool.ntp.org\n";
        assert_eq!(told("openntpd", "debian", &open, "/etc/openntpd/ntpd.conf"), expected);
    }
}
