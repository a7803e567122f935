// SPDX-License-Identifier: Apache-2.0
//! What is asked for of a user that the guest has already, and is for a new user only.

use crate::finding::{Finding, Findings, Origin};
use crate::guest::Guest;
use crate::modules::users::account::Account;

/// Says which keys are left out, as the user has another value. One that has the same is nothing to tell of: most often the
/// user was made by the very same document, at an earlier boot. What was changed since cannot be told from what was there
/// before: so this is a note.
pub fn note_ignored(name: &str, account: &Account, origin: &Origin, guest: &Guest, findings: &mut Findings) {
    let row = |path, name: &str| {
        let text = guest.read_text(path).unwrap_or_default();
        let mut rows = text.lines().map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>());
        rows.find(|row| row.first().is_some_and(|first| first == name))
    };
    let Some(user) = row("/etc/passwd", name) else { return };
    let shadow = row("/etc/shadow", name).unwrap_or_default();
    let field = |row: &[String], index: usize| row.get(index).cloned().unwrap_or_default();
    let hash = field(&shadow, 1).trim_start_matches('!').to_owned();
    let gid = |group: &str| row("/etc/group", group).map_or_else(|| group.to_owned(), |row| field(&row, 2));
    let asked = [
        ("uid", account.uid.as_ref().map(|uid| uid.0.to_string()), field(&user, 2)),
        ("primary_group", account.primary_group.as_ref().map(|group| gid(group)), field(&user, 3)),
        ("gecos", account.gecos.as_ref().map(|gecos| gecos.0.clone()), field(&user, 4)),
        ("homedir", account.homedir.as_ref().map(|home| home.0.to_string_lossy().into_owned()), field(&user, 5)),
        ("shell", account.shell.as_ref().map(|shell| shell.0.clone()), field(&user, 6)),
        // Not for everybody's eyes: where shadow can't be read there is nothing to compare with.
        ("passwd", account.passwd.as_ref().filter(|_| !shadow.is_empty()).map(|hash| hash.value.0.clone()), hash),
    ];
    let other = asked.into_iter().filter(|(_, asked, has)| asked.as_ref().is_some_and(|asked| asked != has));
    let keys: Vec<String> = other.map(|(key, ..)| format!("`{key}`")).collect();
    if !keys.is_empty() {
        let kept = format!("{name} is there already and keeps its own: {} left out", keys.join(", "));
        findings.push(
            Finding::note(origin, kept)
                .help("`hashed_passwd` gives it a password; the rest is for `usermod` in runcmd"),
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::modules::testing::Bench;
    use crate::modules::users::MODULE;

    const ASKED: &str = "users: [{name: ops, uid: 2000, gecos: Ops, homedir: /srv/ops, shell: /bin/zsh, \
                         primary_group: adm, passwd: $6$s$h, lock_passwd: false, groups: [lp]}]";

    fn said(passwd: &str, hash: &str) -> Vec<String> {
        let bench = Bench::new(ASKED).file("/etc/passwd", passwd).file("/etc/group", "adm:x:4:\n");
        let outcome = bench.file("/etc/shadow", &format!("ops:{hash}:1::::::\n")).plan(MODULE.plan);
        outcome.findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn keys_that_an_existing_user_does_not_get_are_named() {
        let findings = said("ops:x:1000:1000::/home/ops:/bin/zsh\n", "!$6$other$h");
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].contains(": note: ops is there already"), "{findings:?}");
        assert!(findings[0].contains("`uid`, `primary_group`, `gecos`, `homedir`, `passwd` left out"), "{findings:?}");
    }

    #[test]
    fn a_user_that_was_made_as_asked_is_no_news_at_the_next_boot() {
        assert_eq!(said("ops:x:2000:4:Ops:/srv/ops:/bin/zsh\n", "$6$s$h"), [""; 0]);
        assert_eq!(said("root:x:0:0::/root:/bin/sh\n", ""), [""; 0], "a new user");
    }
}
