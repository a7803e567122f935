// SPDX-License-Identifier: Apache-2.0
//! The user that an image has without anybody asking: `system_info.default_user`, and what it is where the image is silent.

use crate::config::document::{Node, parse};
use crate::config::merge::overlay;
use crate::finding::{Findings, Origin};

/// The default user as an entry of `users`: the image's `system_info.default_user` over what cloud-init's packages have
/// for the distribution (`ID` of os-release, then its `ID_LIKE`). Of their groups those that the guest has: one made only
/// for this user would be none of the distribution's.
///
/// `config` is the merged document or the image's defaults.
pub fn default_user(config: &Node, distribution: &[String], has_group: impl Fn(&str) -> bool) -> Node {
    let built_in = built_in(distribution, has_group);
    match config.get("system_info").and_then(|info| info.get("default_user")) {
        Some(image) => overlay(built_in, image.clone()),
        None => built_in,
    }
}

fn built_in(distribution: &[String], has_group: impl Fn(&str) -> bool) -> Node {
    let is = |names: &[&str]| distribution.iter().any(|id| names.contains(&id.as_str()));
    let (groups, shell) = match () {
        () if is(&["debian", "ubuntu"]) => {
            ("adm audio cdrom dialout dip floppy netdev plugdev sudo video", "/bin/bash")
        }
        () if is(&["alpine"]) => ("adm wheel", "/bin/ash"),
        () if is(&["suse", "opensuse", "sles"]) => ("cdrom users", "/bin/bash"),
        () => ("adm systemd-journal wheel", "/bin/bash"),
    };
    let groups = groups.split(' ').filter(|group| has_group(group)).collect::<Vec<_>>().join(", ");
    // RHEL's images call it so, and no other distribution's name is as neutral.
    let id = distribution.first().map_or("cloud-user", String::as_str);
    let plain = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let name = if plain && id != "rhel" { id } else { "cloud-user" };
    let rule = match is(&["alpine"]) {
        // Its images have no sudo.
        true => format!("doas: [\"permit nopass {name}\"]"),
        false => "sudo: [\"ALL=(ALL) NOPASSWD:ALL\"]".to_owned(),
    };
    let text = format!(
        "name: \"{name}\"\n\
         gecos: \"{name}\"\n\
         groups: [{groups}]\n\
         {rule}\n\
         shell: {shell}\n\
         lock_passwd: true\n"
    );
    let origin = Origin::document("the built-in default user");
    parse(&text, &origin, &mut Findings::default()).unwrap_or_else(|| Node::empty(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(settings: &str, distribution: &[&str]) -> Node {
        let config = parse(settings, &Origin::document("d"), &mut Findings::default()).unwrap();
        let distribution: Vec<_> = distribution.iter().map(ToString::to_string).collect();
        default_user(&config, &distribution, |group| group == "sudo")
    }

    fn groups(user: &Node) -> Vec<&str> {
        user.get("groups").unwrap().items().unwrap().iter().filter_map(Node::text).collect()
    }

    #[test]
    fn the_distribution_gives_what_the_image_does_not_say() {
        let user = user("system_info: {default_user: {name: ops, lock_passwd: false}}", &["debian"]);
        assert_eq!(user.get("name").unwrap().text(), Some("ops"));
        assert_eq!(user.get("lock_passwd").unwrap().text(), Some("false"));
        assert_eq!(user.get("shell").unwrap().text(), Some("/bin/bash"));
        assert!(user.get("groups").unwrap().items().unwrap().iter().any(|group| group.text() == Some("sudo")));
        assert_eq!(user.get("name").unwrap().origin.to_string(), "d:1:36");
    }

    #[test]
    fn built_in_groups_are_those_that_the_guest_has_and_the_image_s_are_all() {
        assert_eq!(groups(&user("{}", &["debian"])), ["sudo"]);
        assert_eq!(groups(&user("{}", &["alpine"])), [""; 0]);
        assert_eq!(
            groups(&user("system_info: {default_user: {groups: [audio, sudo]}}", &["debian"])),
            ["audio", "sudo"]
        );
    }

    #[test]
    fn names_are_those_of_the_distributions_own_images() {
        for (distribution, name, shell) in [
            (&["debian"][..], "debian", "/bin/bash"),
            (&["ubuntu", "debian"], "ubuntu", "/bin/bash"),
            (&["alpine"], "alpine", "/bin/ash"),
            (&["rhel", "fedora"], "cloud-user", "/bin/bash"),
            (&["opensuse-leap", "suse", "opensuse"], "opensuse-leap", "/bin/bash"),
            (&[], "cloud-user", "/bin/bash"),
            (&["we\"ird: {"], "cloud-user", "/bin/bash"),
        ] {
            let user = user("{}", distribution);
            assert_eq!(user.get("name").unwrap().text(), Some(name));
            assert_eq!(user.get("shell").unwrap().text(), Some(shell));
        }
    }
}
