//! Compiles `proto/**` with protox: plain `cargo build`, no protoc.

use std::{env, fs, path::PathBuf};

use prost::Message as _;
use prost_types::FileDescriptorSet;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = [
        "activity/v1/activity.proto",
        "auth/v1/auth.proto",
        "calendar/v1/calendar.proto",
        "notification/v1/notification.proto",
    ];
    let descriptors = protox::compile(files, ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?).join("descriptors.bin");
    fs::write(out, descriptors.encode_to_vec())?;
    write_methods(&descriptors)?;
    // `Bytes`: what is passed on is not copied to be read.
    tonic_prost_build::configure().bytes(".calendar.v1.EventList").compile_fds(descriptors)?;
    Ok(())
}

/// The names of all methods, sorted: the closed set of metric labels.
fn write_methods(descriptors: &FileDescriptorSet) -> Result<(), Box<dyn std::error::Error>> {
    let mut names = Vec::new();
    for file in &descriptors.file {
        for service in &file.service {
            let methods = service.method.iter();
            names.extend(methods.map(|m| format!("{}.{}/{}", file.package(), service.name(), m.name())));
        }
    }
    names.sort();
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("methods.in"), format!("&{names:?}"))?;
    Ok(())
}
