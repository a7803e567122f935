// SPDX-License-Identifier: Apache-2.0
//! cloud-init's `datasource:` and `datasource_list:` in the image's settings: they count where our own block says nothing.

use crate::config::base::{DATASOURCES, DatasourceName, MetadataService, NoCloud, Settings};
use crate::config::document::{Data, Node};
use crate::config::read::one_of;
use crate::finding::{Finding, Findings, Located};

/// The blocks that are read.
const BLOCKS: &[&str] = &["NoCloud", "OpenStack", "Ec2"];

/// Adds what `keys`, those of the whole file, say.
pub(super) fn add_cloud_init(settings: &mut Settings, keys: &Node, findings: &mut Findings) {
    let own = keys.get("firstlight").and_then(|block| block.get("nocloud"));
    if let Some((nocloud, block)) = settings.nocloud.as_mut().zip(own) {
        nocloud.heed_null_label(block);
    }
    let blocks = keys.get("datasource").filter(|blocks| !blocks.is_null());
    findings.extend(
        blocks.filter(|blocks| !matches!(blocks.data, Data::Mapping(_))).map(|blocks| {
            Finding::error(&blocks.origin, "expected a mapping, with the name of a datasource as each key")
        }),
    );
    for (name, block) in blocks.into_iter().flat_map(Node::entries) {
        match one_of(name, BLOCKS, &mut Findings::default()) {
            _ if block.is_null() => {}
            Some("NoCloud") => NoCloud::add_cloud_init(&mut settings.nocloud, block, findings),
            Some("OpenStack") => MetadataService::add_cloud_init(&mut settings.openstack, block, findings),
            Some(_) => MetadataService::add_cloud_init(&mut settings.ec2, block, findings),
            None => {
                let text = "settings of this datasource are not read; they are left out";
                findings.push(Finding::warning(&name.origin, text));
            }
        }
    }
    settings.check_urls(findings);
    // With none of its names known, a list would switch all of them off.
    if settings.datasources.as_ref().is_none_or(Vec::is_empty) {
        settings.datasources = keys.get("datasource_list").and_then(|list| listed(list, findings));
    }
}

/// Those of the list that are known here; one without any says nothing.
fn listed(list: &Node, findings: &mut Findings) -> Option<Vec<Located<DatasourceName>>> {
    let Some(items) = list.items() else {
        let wrong = Finding::error(&list.origin, "expected a list of datasources");
        findings.extend((!list.is_null()).then_some(wrong.help("as in `[NoCloud, ConfigDrive]`")));
        return None;
    };
    let mut known = Vec::new();
    for item in items {
        match one_of(item, DATASOURCES, &mut Findings::default()) {
            Some(name) => known.push(Located::new(DatasourceName(name), item.origin.clone())),
            None => {
                let text = format!("the datasource `{}` is not looked for here", item.text().unwrap_or_default());
                findings.push(Finding::note(&item.origin, text));
            }
        }
    }
    (!known.is_empty()).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::base::settle;
    use crate::seed::Document;

    fn read(text: &str) -> (Vec<&'static str>, Vec<String>) {
        let mut findings = Findings::default();
        let (settings, defaults) = settle(&[Document::new("s", text)], None, &mut findings);
        assert!(defaults.entries().is_empty(), "no user asks for that");
        let names = settings.datasources.unwrap_or_default().iter().map(|name| name.value.0).collect();
        (names, findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_list_of_an_image_for_cloud_init_is_the_order_of_the_search() {
        assert_eq!(
            read("datasource_list: [ NoCloud, ConfigDrive, Ec2, None ]").0,
            ["nocloud", "config-drive", "ec2", "none"]
        );
        assert_eq!(read("firstlight: {datasources: [ec2]}\ndatasource_list: [NoCloud]").0, ["ec2"]);
        let (names, said) = read("datasource_list: [Azure, OpenStack]");
        assert_eq!(names, ["openstack"]);
        assert_eq!(said, ["s:1:19: note: the datasource `Azure` is not looked for here"]);
        assert_eq!(read("datasource_list: [Azure]").0, [""; 0]);
        assert_eq!(read("datasource_list: ~\ndatasource: ~").0, [""; 0]);
    }
}
