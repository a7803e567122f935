// SPDX-License-Identifier: Apache-2.0
//! What an image must not carry into its clones: what is secret, one machine's own, or of no use.
//!
//! It is what virt-sysprep takes away by default, as far as an image built by a program has it. The machine id and the agent's own
//! state are `firstlight clean`'s.

use std::path::{Path, PathBuf};

use crate::error::{At as _, Result};
use crate::root::{FileKind, Root, Tree as _};

/// Directories below one that is emptied, at most.
const DEPTH: usize = 12;

/// Something that goes, and why.
pub struct Group {
    /// As `--keep` calls it.
    pub name: &'static str,
    /// Why it goes.
    pub why: &'static str,
    /// What is removed; `*` stands for anything in a name.
    pub removed: &'static [&'static str],
    /// Directories whose files are emptied and stay: programs that write there expect owner and mode.
    pub emptied: &'static [&'static str],
}

/// In the order of their importance.
pub const GROUPS: &[Group] = &[
    Group {
        name: "host-keys",
        why: "clones would share the keys by which a server is known; sshd makes new ones",
        removed: &[
            "/etc/ssh/ssh_host_*_key",
            "/etc/ssh/ssh_host_*_key.pub",
            "/etc/ssh/ssh_host_*_key-cert.pub",
            "/etc/dropbear/dropbear_*_host_key",
        ],
        emptied: &[],
    },
    Group {
        name: "old-accounts",
        why: "copies of the account files from before the last change: they may hold a builder's password",
        removed: &["/etc/passwd-", "/etc/shadow-", "/etc/group-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-"],
        emptied: &[],
    },
    Group {
        name: "memberships",
        why: "what the builder is known by in a domain, at a vendor's or by a storage server",
        removed: &[
            "/etc/krb5.keytab",
            "/var/lib/samba/private/*.tdb",
            "/var/lib/sss/db/*.ldb",
            "/etc/sysconfig/rhn/systemid",
            "/etc/pki/consumer/*",
            "/etc/pki/entitlement/*",
            "/etc/lvm/devices/system.devices",
        ],
        emptied: &[],
    },
    Group {
        name: "random-seed",
        why: "clones would begin with the same random numbers and the same key for sealed credentials",
        removed: &[
            "/var/lib/systemd/random-seed",
            "/var/lib/systemd/credential.secret",
            "/var/lib/random-seed",
            "/var/lib/urandom/random-seed",
            "/var/lib/seedrng/*",
        ],
        emptied: &[],
    },
    Group {
        name: "leases",
        why: "clones would ask for the builder's address",
        removed: &[
            "/var/lib/dhcp/*",
            "/var/lib/dhclient/*",
            "/var/lib/dhcpcd/*",
            "/var/lib/NetworkManager/*.lease",
            "/var/lib/NetworkManager/secret_key",
            "/var/lib/NetworkManager/seen-bssids",
            "/var/lib/NetworkManager/timestamps",
            "/var/lib/wicked/*.xml",
        ],
        emptied: &[],
    },
    Group {
        name: "network-names",
        why: "names of cards by the builder's addresses",
        removed: &["/etc/udev/rules.d/70-persistent-net.rules", "/etc/udev/rules.d/75-persistent-net-generator.rules"],
        emptied: &[],
    },
    Group {
        name: "cloud-init",
        why: "the builder's instance; a seed in the image stays",
        removed: &[
            "/var/lib/cloud/data",
            "/var/lib/cloud/handlers",
            "/var/lib/cloud/instance",
            "/var/lib/cloud/instances",
            "/var/lib/cloud/sem",
        ],
        emptied: &[],
    },
    Group {
        name: "history",
        why: "what was typed while it was built",
        removed: &[
            "/root/.bash_history",
            "/root/.ash_history",
            "/root/.lesshst",
            "/home/*/.bash_history",
            "/home/*/.ash_history",
            "/home/*/.lesshst",
        ],
        emptied: &[],
    },
    Group {
        name: "logs",
        why: "what happened while it was built",
        removed: &["/var/log/journal/*", "/var/log/*.gz", "/var/log/*.xz", "/var/log/*.old", "/var/log/*.[0-9]"],
        emptied: &["/var/log"],
    },
    Group {
        name: "crashes",
        why: "dumps may hold secrets",
        removed: &["/var/crash/*", "/var/lib/systemd/coredump/*"],
        emptied: &[],
    },
    Group { name: "temporary", why: "nobody wants it", removed: &["/tmp/*", "/var/tmp/*"], emptied: &[] },
    Group {
        name: "package-caches",
        why: "packages are installed already; lists of what there is stay",
        removed: &[
            "/var/cache/apt/*.bin",
            "/var/cache/apt/archives/*.deb",
            "/var/cache/apt/archives/partial/*",
            "/var/cache/dnf/*",
            "/var/cache/libdnf5/*",
            "/var/cache/yum/*",
            "/var/cache/zypp/packages/*",
            "/var/cache/apk/*",
            "/var/cache/pacman/pkg/*",
        ],
        emptied: &[],
    },
];

/// Takes that group out of the image; tells how many files and directories it was.
pub fn clean(root: &Root, group: &Group) -> Result<usize> {
    let mut count = 0;
    for pattern in group.removed {
        for path in matching(root, pattern)? {
            root.remove_tree(&path)?;
            count += 1;
        }
    }
    for directory in group.emptied {
        count += empty(root, Path::new(directory), 0)?;
    }
    Ok(count)
}

fn empty(root: &Root, directory: &Path, depth: usize) -> Result<usize> {
    let mut count = 0;
    for name in root.list(directory)? {
        let path = directory.join(name);
        if root.read_link(&path)?.is_some() {
            continue;
        }
        match root.stat(&path)? {
            Some(stat) if stat.kind == FileKind::Directory && depth < DEPTH => count += empty(root, &path, depth + 1)?,
            Some(stat) if stat.kind == FileKind::File && stat.size > 0 => {
                root.append(&path, stat.mode)?.set_len(0).at("empty", &path)?;
                count += 1;
            }
            _ => {}
        }
    }
    Ok(count)
}

/// What is there that the pattern means.
fn matching(root: &Root, pattern: &str) -> Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for directory in found {
            if part.contains(['*', '[']) {
                let names = if is_directory(root, &directory)? { root.list(&directory)? } else { Vec::new() };
                next.extend(names.iter().filter(|name| fits(part, name)).map(|name| directory.join(name)));
            } else {
                next.push(directory.join(part));
            }
        }
        found = next;
    }
    let mut there = Vec::new();
    for path in found {
        if root.stat(&path)?.is_some() || root.read_link(&path)?.is_some() {
            there.push(path);
        }
    }
    Ok(there)
}

fn is_directory(root: &Root, path: &Path) -> Result<bool> {
    Ok(root.stat(path)?.is_some_and(|stat| stat.kind == FileKind::Directory))
}

/// `*` is anything, `[0-9]` a digit at the end.
fn fits(pattern: &str, name: &str) -> bool {
    if let Some(pattern) = pattern.strip_suffix("[0-9]") {
        return name.strip_suffix(|last: char| last.is_ascii_digit()).is_some_and(|rest| fits(pattern, rest));
    }
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name
            .strip_prefix(before)
            .is_some_and(|rest| (0..=rest.len()).filter_map(|at| rest.get(at..)).any(|rest| fits(after, rest))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_is_one_machines_own_goes_and_the_rest_stays() {
        let image = Scratch::new();
        let gone = [
            "/etc/ssh/ssh_host_ed25519_key",
            "/etc/ssh/ssh_host_ed25519_key.pub",
            "/etc/ssh/ssh_host_ed25519_key-cert.pub",
            "/etc/shadow-",
            "/etc/krb5.keytab",
            "/var/lib/dhcp/dhclient.leases",
            "/var/lib/cloud/instances/i-1/user-data.txt",
            "/home/ada/.bash_history",
            "/var/log/journal/0123/system.journal",
            "/var/log/dpkg.log.2.gz",
            "/var/log/syslog.1",
            "/tmp/left",
            "/var/cache/apt/archives/a.deb",
        ];
        let kept = [
            "/etc/ssh/sshd_config",
            "/etc/shadow",
            "/var/lib/cloud/seed/nocloud/user-data",
            "/home/ada/.bashrc",
            "/var/lib/NetworkManager/NetworkManager.state",
            "/var/cache/apt/archives/lock",
        ];
        gone.iter().chain(&kept).for_each(|path| image.file(path, "content"));
        for (path, mode) in [("/var/log/nginx/access.log", 0o640), ("/var/log/wtmp", 0o664)] {
            image.file(path, "lines");
            std::fs::set_permissions(image.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        image.file("/outside", "stays");
        std::os::unix::fs::symlink("/outside", image.path("/var/log/link")).unwrap();
        let root = image.root();
        for group in GROUPS {
            clean(&root, group).unwrap();
            assert_eq!(clean(&root, group).unwrap(), 0, "{}: nothing is left for a second time", group.name);
        }
        for path in gone {
            assert!(!image.path(path).exists(), "{path}");
        }
        for path in kept {
            assert_eq!(image.text(path), "content", "{path}");
        }
        assert_eq!((image.text("/var/log/nginx/access.log").as_str(), image.text("/outside").as_str()), ("", "stays"));
        let mode = std::fs::metadata(image.path("/var/log/nginx/access.log")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }

    #[test]
    fn a_star_is_anything_in_one_name() {
        for (pattern, name, expected) in [
            ("ssh_host_*_key", "ssh_host_rsa_key", true),
            ("ssh_host_*_key", "ssh_host_rsa_key.pub", false),
            ("*.[0-9]", "syslog.1", true),
            ("*.[0-9]", "syslog.x", false),
            ("*", "ä", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
