// SPDX-License-Identifier: Apache-2.0
//! `network-config=`: a whole network-config in one word, in base64, perhaps compressed; or `disabled`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::compression::{gunzip, is_gzip};
use crate::finding::{Finding, Findings};
use crate::network::command_line::Line;
use crate::network::network_config::{self, Asked};
use crate::seed::Document;

/// The document's name in findings.
const NAME: &str = "network-config= of the kernel's command line";
/// Bytes, once it is decompressed.
const LIMIT: u64 = 1 << 20;

/// The last such word counts. One that can't be read is reported, and whoever comes next is asked.
pub fn read(line: &Line, findings: &mut Findings) -> Option<Asked> {
    let (value, origin) = line.values("network-config").last()?;
    if value == "disabled" {
        return Some(Asked::Disabled(origin));
    }
    match decoded(value) {
        Ok(bytes) => network_config::read(&Document::new(NAME, bytes), findings),
        Err(reason) => {
            let help = "it is a YAML document in base64 without line breaks, or `disabled`";
            findings.push(Finding::error(&origin, format!("it is left out: {reason}")).help(help));
            None
        }
    }
}

fn decoded(value: &str) -> Result<Vec<u8>, String> {
    let bytes = STANDARD.decode(value).map_err(|error| error.to_string())?;
    if is_gzip(&bytes) { gunzip(&bytes, LIMIT).map_err(|error| error.to_string()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> (Option<Asked>, Vec<String>) {
        let mut findings = Findings::default();
        let asked = read(&Line::of_kernel(line), &mut findings);
        (asked, findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_last_word_counts_and_may_switch_off() {
        let (asked_last, findings) = asked("network-config=AAAA quiet network-config=disabled");
        assert!(matches!(asked_last, Some(Asked::Disabled(_))) && findings.is_empty(), "{findings:?}");
        let wrapped = STANDARD.encode("network: {config: disabled}");
        assert!(matches!(asked(&format!("network-config={wrapped}")).0, Some(Asked::Disabled(_))));
        assert_eq!(asked("xnetwork-config=disabled").0, None);
    }

    #[test]
    fn a_compressed_document_is_read_up_to_its_bound() {
        use std::io::Write as _;
        let packed = |text: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(text).unwrap();
            format!("network-config={}", STANDARD.encode(encoder.finish().unwrap()))
        };
        assert!(matches!(asked(&packed(b"config: disabled")).0, Some(Asked::Disabled(_))));
        let (bomb, findings) = asked(&packed(&vec![b' '; 2 << 20]));
        assert!(bomb.is_none() && findings[0].contains("more than 1048576 bytes"), "{findings:?}");
    }

    #[test]
    fn what_is_no_base64_is_said() {
        let (none, findings) = asked("network-config={version:");
        assert!(none.is_none());
        assert!(findings[0].starts_with("/proc/cmdline: network-config: error: it is left out: "), "{findings:?}");
    }
}
