//! The OData documents: `$metadata` lists the schemas in use, `odata` the top-level resources.

use serde_json::{Value, json};

use super::{Bmc, types};

/// Where the DMTF publishes its schemas.
const SCHEMAS: &str = "http://redfish.dmtf.org/schemas/v1";

/// Schemas whose types appear inside resources.
const INSIDE: [&str; 6] = [
    "Resource",
    "Redundancy",
    "IPAddresses",
    "Message",
    "Privileges",
    "RedfishExtensions.v1_0_0",
];

/// The `$metadata` document.
#[must_use]
pub fn document() -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <edmx:Edmx xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\" Version=\"4.0\">\n",
    );
    for kind in types::ALL {
        let mut names = kind.trim_start_matches('#').split('.');
        let name = names.next().unwrap_or_default();
        let version = names.next().filter(|version| version.starts_with("v1_"));
        reference(&mut text, &format!("{name}_v1.xml"), name, version);
    }
    for name in INSIDE {
        let file = name.split('.').next().unwrap_or(name);
        reference(&mut text, &format!("{file}_v1.xml"), name, None);
    }
    let root = types::SERVICE_ROOT
        .trim_start_matches('#')
        .trim_end_matches(".ServiceRoot");
    text.push_str(&format!(
        "  <edmx:DataServices>\n    <Schema xmlns=\"http://docs.oasis-open.org/odata/ns/edm\" Namespace=\"Service\">\n      \
         <EntityContainer Name=\"Service\" Extends=\"{root}.ServiceContainer\"/>\n    </Schema>\n  \
         </edmx:DataServices>\n</edmx:Edmx>\n"
    ));
    text
}

fn reference(text: &mut String, file: &str, name: &str, version: Option<&str>) {
    text.push_str(&format!("  <edmx:Reference Uri=\"{SCHEMAS}/{file}\">\n"));
    text.push_str(&format!("    <edmx:Include Namespace=\"{name}\"/>\n"));
    if let Some(version) = version {
        text.push_str(&format!("    <edmx:Include Namespace=\"{name}.{version}\"/>\n"));
    }
    text.push_str("  </edmx:Reference>\n");
}

impl Bmc {
    /// The `odata` document: the service root and everything right below it.
    pub(super) fn odata(&self) -> Value {
        let root = self.service_root();
        let mut entries = vec![json!({ "name": "Service", "kind": "Singleton", "url": "/redfish/v1/" })];
        for (name, value) in root.as_object().into_iter().flatten() {
            if let Some(url) = value.get("@odata.id") {
                entries.push(json!({ "name": name, "kind": "Singleton", "url": url }));
            }
        }
        entries.push(json!({ "name": "Sessions", "kind": "Singleton", "url": super::SESSIONS }));
        json!({ "@odata.context": "/redfish/v1/$metadata", "value": entries })
    }
}
