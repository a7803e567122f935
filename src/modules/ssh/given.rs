// SPDX-License-Identifier: Apache-2.0
//! Host keys that the document gives: `ssh_keys`.

use crate::config::document::Node;
use crate::finding::{Finding, Findings, Located, Origin};
use crate::modules::ssh::host_keys::{Permissions, beside, file};
use crate::modules::{Input, Planner};
use crate::plan::action::{Command, Edit, Write};
use crate::private_key::{self, PrivateKey};
use crate::public_key::PublicKey;
use crate::sshd_config;

crate::keys! {
    /// Host keys by type and half.
    pub struct HostKeys {
        /// Private key.
        ed25519_private: Located<String>,
        /// Its public half; read from the private one where it is left out.
        ed25519_public: Located<String>,
        /// Its certificate.
        ed25519_certificate: Located<String>,
        /// Private key.
        ecdsa_private: Located<String>,
        /// Its public half; read from the private one where it is left out.
        ecdsa_public: Located<String>,
        /// Its certificate.
        ecdsa_certificate: Located<String>,
        /// Private key.
        rsa_private: Located<String>,
        /// Its public half; read from the private one where it is left out.
        rsa_public: Located<String>,
        /// Its certificate.
        rsa_certificate: Located<String>,
        /// Left out: OpenSSH has no DSA any more.
        dsa_private: Node,
        /// Left out: OpenSSH has no DSA any more.
        dsa_public: Node,
        /// Left out: OpenSSH has no DSA any more.
        dsa_certificate: Node,
    }
}

/// A pair that can be used, texts with their last line's end.
pub struct Given {
    kind: &'static str,
    private: String,
    /// None where only ssh-keygen can tell it.
    public: Option<String>,
    certificate: Option<String>,
    /// Where the private key is written.
    pub origin: Origin,
}

/// sshd's word for a certificate of its own.
const KEYWORD: &str = "HostCertificate";

/// The pairs that can be used. Of the values nothing is ever told.
pub fn good(keys: Option<&HostKeys>, findings: &mut Findings) -> Vec<Given> {
    let Some(keys) = keys else { return Vec::new() };
    if let Some(dsa) = [&keys.dsa_private, &keys.dsa_public, &keys.dsa_certificate].into_iter().flatten().next() {
        let gone = Finding::error(&dsa.origin, "OpenSSH has no DSA keys any more; this one is left out");
        findings.push(gone.help("give an ed25519 key"));
    }
    let types = [
        ("ed25519", &keys.ed25519_private, &keys.ed25519_public, &keys.ed25519_certificate),
        ("ecdsa", &keys.ecdsa_private, &keys.ecdsa_public, &keys.ecdsa_certificate),
        ("rsa", &keys.rsa_private, &keys.rsa_public, &keys.rsa_certificate),
    ];
    let given = types.into_iter().filter_map(|(kind, private, public, certificate)| {
        let Some(private) = private else {
            let alone = [public, certificate].into_iter().flatten().next()?;
            let text = format!("there is no `{kind}_private` for this; it is left out");
            findings.push(Finding::error(&alone.origin, text));
            return None;
        };
        pair(kind, private, public.as_ref(), certificate.as_ref(), findings)
    });
    given.collect()
}

fn pair(
    kind: &'static str,
    private: &Located<String>,
    public: Option<&Located<String>>,
    certificate: Option<&Located<String>>,
    findings: &mut Findings,
) -> Option<Given> {
    let read = PrivateKey::parse(private);
    let problem = match &read {
        None if !private_key::is_within(private) => Some("this is no private key"),
        Some(key) if key.encrypted => Some("this private key wants a passphrase, which nobody gives sshd"),
        Some(key) if !is_of(kind, &key.public) => Some("this private key is of another type"),
        _ => None,
    };
    if let Some(problem) = problem {
        let whole = Finding::error(&private.origin, format!("{problem}; it is left out"));
        findings.push(whole.help("a whole file as ssh-keygen writes it, in a block: `|`"));
        return None;
    }
    let mut line = |given: Option<&Located<String>>, what: &str| -> Option<String> {
        let given = given?;
        let parsed = PublicKey::parse(given).filter(|key| key.options.is_empty() && is_of(kind, key.kind));
        if parsed.is_none() {
            findings.push(Finding::error(&given.origin, format!("this is no {what} of that type; it is left out")));
        }
        parsed.map(|_| format!("{}\n", given.trim()))
    };
    let mut public = line(public, "public key");
    let certificate = line(certificate, "certificate");
    if let Some(PrivateKey { public: own, .. }) = &read {
        if public.as_ref().is_some_and(|public| !public.starts_with(own)) {
            let other = "this is not the public half of the private key; the right one is written in its place";
            findings.push(Finding::warning(&private.origin, other));
            public = None;
        }
        public = public.or_else(|| Some(format!("{own}\n")));
    }
    // sshd takes neither a last line without its end nor the line ends of Windows.
    let private_text = format!("{}\n", private.trim().replace('\r', ""));
    Some(Given { kind, private: private_text, public, certificate, origin: private.origin.clone() })
}

/// Whether `ssh-ed25519`, `ecdsa-sha2-nistp256-cert-v01@openssh.com` and the like are of that type.
fn is_of(kind: &str, algorithm: &str) -> bool {
    algorithm.strip_prefix("ssh-").unwrap_or(algorithm).starts_with(kind)
}

/// Writes them, and tells sshd of the certificates.
pub fn plan(given: Vec<Given>, permissions: &Permissions, input: &Input, planner: &mut Planner) {
    let mut certificates = Vec::new();
    for Given { kind, private, public, certificate, origin } in given {
        let Permissions { mode, owner } = permissions.clone();
        let step = planner.step(format!("ssh host key {kind}"), &origin);
        step.write(Write::new(file(kind), private).mode(mode).owner(owner).secret());
        let underivable = public.is_none();
        match public {
            Some(line) => step.write(Write::new(beside(kind, ".pub"), line)),
            // The file of an older key would be taken for this one's.
            None => step.remove(beside(kind, ".pub")),
        };
        if let Some(line) = certificate {
            let path = beside(kind, "-cert.pub");
            certificates.push((path.to_string_lossy().into_owned(), origin.clone()));
            step.write(Write::new(path, line));
        }
        if underivable {
            let derive = "umask 022; ssh-keygen -y -P '' -f \"$0\" >\"$0.new\" && mv \"$0.new\" \"$0.pub\"";
            let mut command = Command::tool(["/bin/sh", "-c", derive, &file(kind)]);
            command.waits_for_boot = true;
            planner.step(format!("ssh host key {kind}, public half"), &origin).run(command);
        }
    }
    let Some((_, origin)) = certificates.first() else { return };
    let Some(main) = input.guest.read_text(sshd_config::MAIN) else { return };
    let file = sshd_config::place(&main, KEYWORD);
    let step = planner.step("ssh host certificates", origin);
    let add = move |old: &str| {
        certificates.iter().fold(old.to_owned(), |text, (path, _)| sshd_config::with_also(&text, KEYWORD, path))
    };
    step.edit(Edit::new(file, add).mode(0o600));
}

#[cfg(test)]
mod tests {
    use crate::host_key::Kind;
    use crate::modules::ssh::MODULE;
    use crate::modules::testing::{Bench, Outcome};
    use crate::plan::action::Action;

    fn indented(text: &str) -> String {
        text.lines().map(|line| format!("    {line}\n")).collect()
    }

    fn planned(keys: &str) -> Outcome {
        let bench = Bench::new(&format!("ssh_keys:\n{keys}"));
        bench.file("/etc/ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\n").plan(MODULE.plan)
    }

    fn generates(outcome: &Outcome) -> bool {
        outcome.steps.iter().flat_map(|step| &step.actions).any(|action| matches!(action, Action::HostKey { .. }))
    }

    #[test]
    fn a_given_pair_is_written_and_no_other_is_made() {
        let key = Kind::Ed25519.make().unwrap();
        let yaml = format!("  ed25519_private: |\n{}  ed25519_public: {}", indented(&key.private), key.public);
        let outcome = planned(&yaml);
        assert_eq!(outcome.content("/etc/ssh/ssh_host_ed25519_key").unwrap(), key.private);
        assert_eq!(outcome.content("/etc/ssh/ssh_host_ed25519_key.pub").unwrap(), key.public);
        assert!(!generates(&outcome) && outcome.findings.is_empty());
        assert_eq!(outcome.steps(), ["ssh host keys of another instance", "ssh host key ed25519"]);
    }

    #[test]
    fn a_missing_or_wrong_public_half_is_taken_from_the_private_one() {
        let key = Kind::Ecdsa.make().unwrap();
        let other = Kind::Ecdsa.make().unwrap().public;
        for (public, findings) in [(String::new(), 0), (format!("  ecdsa_public: {other}"), 1)] {
            let outcome = planned(&format!("  ecdsa_private: |\n{}{public}", indented(&key.private)));
            assert_eq!(outcome.content("/etc/ssh/ssh_host_ecdsa_key.pub").unwrap(), key.public);
            assert_eq!(outcome.findings.iter().count(), findings);
        }
    }

    #[test]
    fn of_a_key_in_pem_ssh_keygen_tells_the_public_half() {
        let pem = "  rsa_private: \"-----BEGIN RSA PRIVATE KEY-----\\nMII\\n-----END RSA PRIVATE KEY-----\"\n";
        let outcome = planned(pem);
        let command = outcome.step("ssh host key rsa, public half").actions.iter().find_map(|action| match action {
            Action::Run(command) => Some(command.argv.clone()),
            _ => None,
        });
        assert_eq!(command.unwrap()[3], "/etc/ssh/ssh_host_rsa_key");
        assert!(outcome.content("/etc/ssh/ssh_host_rsa_key").unwrap().ends_with("-----\n"));
    }

    #[test]
    fn a_certificate_is_told_sshd() {
        let key = Kind::Ed25519.make().unwrap();
        let blob = {
            use base64::Engine as _;
            let name = b"ssh-ed25519-cert-v01@openssh.com";
            let bytes = [&(name.len() as u32).to_be_bytes()[..], name, b"rest"].concat();
            base64::engine::general_purpose::STANDARD.encode(bytes)
        };
        let yaml = format!(
            "  ed25519_private: |\n{}  ed25519_certificate: ssh-ed25519-cert-v01@openssh.com {blob} host\n",
            indented(&key.private)
        );
        let outcome = planned(&yaml);
        assert_eq!(
            outcome.content("/etc/ssh/sshd_config.d/00-firstlight.conf").unwrap(),
            "HostCertificate /etc/ssh/ssh_host_ed25519_key-cert.pub\n"
        );
        assert!(outcome.content("/etc/ssh/ssh_host_ed25519_key-cert.pub").unwrap().ends_with(" host\n"));
    }

    #[test]
    fn without_a_good_private_key_sshd_gets_new_ones_and_nothing_given_is_quoted() {
        for bad in [
            "  ed25519_private: hunter2\n",
            "  ed25519_public: hunter2\n",
            "  dsa_private: hunter2\n",
            &format!("  rsa_private: |\n{}", indented(&Kind::Ed25519.make().unwrap().private)),
        ] {
            let outcome = planned(bad);
            assert!(generates(&outcome), "{bad}");
            let said: Vec<String> = outcome.findings.iter().map(ToString::to_string).collect();
            assert!(said.len() == 1 && !said[0].contains("hunter2"), "{said:?}");
        }
    }
}
