// SPDX-License-Identifier: Apache-2.0
//! The four files of a NoCloud seed, on a medium, in a directory or on a server.

use crate::datasource::documents::{DOCUMENT_LIMIT, FILE_LIMIT, dispensable, optional};
use crate::error::{Error, Result};
use crate::finding::Findings;
use crate::instance::nocloud;
use crate::media::Medium;
use crate::seed::Document;

const META_DATA: &str = "meta-data";
const USER_DATA: &str = "user-data";
pub(super) const VENDOR_DATA: &str = "vendor-data";
const NETWORK_CONFIG: &str = "network-config";

/// Gives a file by its name, at most so many bytes of it; `None` where there is none.
pub(super) type Reading<'a> = &'a dyn Fn(&str, u64) -> Result<Option<Vec<u8>>>;

/// The documents of one place. An empty file is a document too: it is what its author says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Documents {
    pub(super) meta_data: Option<Document>,
    pub(super) user_data: Option<Document>,
    pub(super) vendor_data: Option<Document>,
    pub(super) network: Option<Document>,
}

/// Whether this is, or was meant to be, a seed.
pub(super) fn is_there(medium: &dyn Medium) -> bool {
    medium.list("").is_ok_and(|names| [META_DATA, USER_DATA].iter().any(|wanted| name(&names, wanted).is_some()))
}

/// Reads the files.
///
/// # Errors
/// Malformed without meta-data and user-data, both of which cloud-init asks for. Of the others one that can't be read is a
/// finding.
pub(super) fn read(medium: &dyn Medium, place: &str, findings: &mut Findings) -> Result<Documents> {
    let names = medium.list("").map_err(|error| error.while_doing(place))?;
    let file = |wanted: &str, limit: u64| name(&names, wanted).map_or(Ok(None), |name| medium.read(name, limit));
    read_each(&file, place, findings)
}

/// As [`read`], of the files that `file` gives by their names, in cloud-init's order; it is asked once for each.
pub(super) fn read_each(file: Reading, place: &str, findings: &mut Findings) -> Result<Documents> {
    let required = |wanted: &str, limit: u64| -> Result<_> {
        let missing = || {
            Error::malformed(format!("{place} has no `{wanted}`"))
                .help("a NoCloud seed has `meta-data` and `user-data`; either may be an empty file")
        };
        let bytes = file(wanted, limit).map_err(|error| error.while_doing(place))?.ok_or_else(missing)?;
        Ok(Some(Document::new(wanted, bytes)))
    };
    let network = optional(NETWORK_CONFIG, file(NETWORK_CONFIG, DOCUMENT_LIMIT), findings)?;
    let meta_data = required(META_DATA, DOCUMENT_LIMIT)?;
    let user_data = required(USER_DATA, FILE_LIMIT)?;
    let vendor_data = dispensable(VENDOR_DATA, file(VENDOR_DATA, FILE_LIMIT), findings);
    Ok(Documents { meta_data, user_data, vendor_data, network })
}

/// As [`read`], of a place that gives way to others: malformed also where its meta-data can't be read.
pub(super) fn usable(medium: &dyn Medium, place: &str, findings: &mut Findings) -> Result<Documents> {
    let documents = read(medium, place, findings)?;
    // What there is to say of its entries is said when the seed is understood.
    nocloud::merged(&documents.meta_data, &mut Findings::default()).map_err(|error| error.while_doing(place))?;
    Ok(documents)
}

/// The entry that is the file `wanted`: of that name, else as a disc or disk without long names has it (`META_DATA`,
/// `META_DAT`, `USER-D~1`).
fn name<'a>(names: &'a [String], wanted: &str) -> Option<&'a str> {
    let cut = |length: usize| wanted.get(..length).unwrap_or(wanted);
    let short = [wanted.to_owned(), cut(8).to_owned(), format!("{}~1", cut(6))];
    let plain = |name: &str| name.to_ascii_lowercase().replace('_', "-").trim_end_matches('.').to_owned();
    let exact = names.iter().find(|name| *name == wanted);
    exact.or_else(|| names.iter().find(|name| short.contains(&plain(name)))).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::media::Directory;
    use crate::scratch::Scratch;

    fn seed(files: &[(&str, &str)]) -> (Scratch, Result<Documents>, Vec<String>) {
        let scratch = Scratch::new();
        files.iter().for_each(|(name, text)| scratch.file(name, text));
        let mut findings = Findings::default();
        let documents = read(&Directory::open(&scratch.path("")).unwrap(), "the seed", &mut findings);
        (scratch, documents, findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn four_files_of_which_two_may_be_missing() {
        let (_scratch, documents, findings) = seed(&[("meta-data", ""), ("user-data", "#!/bin/sh\n")]);
        let meta_data = Some(Document::new("meta-data", ""));
        let user_data = Some(Document::new("user-data", "#!/bin/sh\n"));
        assert_eq!(documents.unwrap(), Documents { meta_data, user_data, ..Documents::default() });
        assert_eq!(findings, [""; 0]);
        for (files, missing) in [
            (&[("user-data", "")][..], "the seed has no `meta-data`\n"),
            (&[("meta-data", "")], "the seed has no `user-data`\n"),
            (&[], "the seed has no `meta-data`\n"),
        ] {
            let error = seed(files).1.unwrap_err().to_string();
            assert!(error.starts_with(missing), "{error}");
        }
        let (scratch, ..) = seed(&[("meta-data", "a: [\n"), ("user-data", "")]);
        let medium = Directory::open(&scratch.path("")).unwrap();
        let error = usable(&medium, "the seed", &mut Findings::default()).unwrap_err().to_string();
        assert!(error.starts_with("the seed: meta-data:"), "{error}");
    }

    #[test]
    fn an_optional_one_past_its_bound_costs_only_itself() {
        let (scratch, ..) =
            seed(&[("meta-data", ""), ("user-data", ""), ("network-config", ""), ("vendor-data", "#!/bin/v")]);
        fs::File::options().write(true).open(scratch.path("network-config")).unwrap().set_len(1 << 30).unwrap();
        let mut findings = Findings::default();
        let documents = read(&Directory::open(&scratch.path("")).unwrap(), "the seed", &mut findings).unwrap();
        assert!(documents.network.is_none() && documents.vendor_data.is_some());
        let said = findings.iter().next().unwrap().to_string();
        assert!(said.starts_with("network-config: error: left out: network-config has 1073741824 bytes"), "{said}");
    }

    #[test]
    fn names_are_found_as_old_discs_have_them() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (there, wanted) in [
            ("META_DATA", "meta-data"),
            ("meta_dat", "meta-data"),
            ("META-D~1", "meta-data"),
            ("NETWORK_CONFIG", "network-config"),
            ("network_", "network-config"),
            ("VENDOR_D", "vendor-data"),
            ("USER_DATA.", "user-data"),
        ] {
            assert_eq!(name(&names(&["x", there]), wanted), Some(there));
        }
        assert_eq!(name(&names(&["USER_DATA", "user-data"]), "user-data"), Some("user-data"));
        for other in ["meta-data.json", "meta", "user-data-old", "network"] {
            assert_eq!(name(&names(&[other]), "meta-data"), None, "{other}");
        }
    }
}
