//! What is plugged in: `pci_devices`, `usb_devices`.

use std::collections::BTreeMap;

use crate::env::Scan;
use crate::read;
use crate::table::{Row, Rows, Table, int, text};

pub(crate) static PCI: Table = Table {
    name: "pci_devices",
    about: "Devices on the PCI bus.",
    columns: &[
        text("pci_slot"),
        text("pci_class"),
        text("driver"),
        text("vendor"),
        text("vendor_id"),
        text("model"),
        text("model_id"),
        text("pci_class_id"),
        text("pci_subclass_id"),
        text("pci_subclass"),
        text("subsystem_vendor_id"),
        text("subsystem_vendor"),
        text("subsystem_model_id"),
        text("subsystem_model"),
    ],
    rows: pci,
};

pub(crate) static USB: Table = Table {
    name: "usb_devices",
    about: "Devices on USB.",
    columns: &[
        int("usb_address"),
        int("usb_port"),
        text("vendor"),
        text("vendor_id"),
        text("version"),
        text("model"),
        text("model_id"),
        text("serial"),
        text("class"),
        text("subclass"),
        text("protocol"),
        int("removable"),
    ],
    rows: usb,
};

/// Names of `pci.ids`: vendors, and models with the vendor before them.
fn names(scan: &Scan) -> BTreeMap<String, String> {
    let bytes = read::bytes(&scan.host("/usr/share/misc/pci.ids"), read::CONFIG).unwrap_or_default();
    let mut names = BTreeMap::new();
    let mut vendor = String::new();
    for line in read::settings(&bytes) {
        if line.starts_with("\t\t") {
            continue;
        }
        let Some((id, name)) = line.trim_start().split_once("  ") else { continue };
        if line.starts_with('\t') {
            names.insert(format!("{vendor}:{id}"), name.to_owned());
        } else if id.len() == 4 {
            id.clone_into(&mut vendor);
            names.insert(vendor.clone(), name.to_owned());
        }
    }
    names
}

fn pci(scan: &Scan) -> Rows {
    let names = names(scan);
    let rows: Vec<Row> = read::directory(&scan.host("/sys/bus/pci/devices"))
        .iter()
        .map(|path| {
            let id = |file: &str| {
                read::fact(&path.join(file)).unwrap_or_default().trim_start_matches("0x").to_owned()
            };
            let name = |key: String| names.get(&key).cloned().unwrap_or_default();
            let (vendor, model) = (id("vendor"), id("device"));
            let (under_vendor, under_model) = (id("subsystem_vendor"), id("subsystem_device"));
            let class = id("class");
            let driver =
                read::link(&path.join("driver")).and_then(|p| p.rsplit('/').next().map(ToOwned::to_owned));
            scan.row()
                .set("pci_slot", read::name(path))
                .set("pci_class", "")
                .set("pci_subclass", "")
                .set("pci_class_id", format!("0x{}", class.get(..2).unwrap_or_default()))
                .set("pci_subclass_id", format!("0x{}", class.get(2..4).unwrap_or_default()))
                .set("driver", driver.unwrap_or_default())
                .set("vendor", name(vendor.clone()))
                .set("model", name(format!("{vendor}:{model}")))
                .set("vendor_id", format!("0x{vendor}"))
                .set("model_id", format!("0x{model}"))
                .set("subsystem_vendor", name(under_vendor.clone()))
                .set("subsystem_vendor_id", format!("0x{under_vendor}"))
                .set("subsystem_model", "")
                .set("subsystem_model_id", format!("0x{under_model}"))
        })
        .collect();
    Box::new(rows.into_iter())
}

fn usb(scan: &Scan) -> Rows {
    let rows: Vec<Row> = read::directory(&scan.host("/sys/bus/usb/devices"))
        .iter()
        .filter(|path| path.join("idVendor").exists())
        .map(|path| {
            let fact = |file: &str| read::fact(&path.join(file)).unwrap_or_default();
            scan.row()
                .set("usb_address", read::number(&path.join("devnum")))
                .set("usb_port", read::number(&path.join("busnum")))
                .set("vendor", fact("manufacturer"))
                .set("vendor_id", fact("idVendor"))
                .set("version", fact("bcdDevice"))
                .set("model", fact("product"))
                .set("model_id", fact("idProduct"))
                .set("serial", fact("serial"))
                .set("class", fact("bDeviceClass"))
                .set("subclass", fact("bDeviceSubClass"))
                .set("protocol", fact("bDeviceProtocol"))
                .set("removable", i64::from(fact("removable") == "removable"))
        })
        .collect();
    Box::new(rows.into_iter())
}
