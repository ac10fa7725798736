//! Secrets in files.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rand::RngCore as _;
use secrecy::SecretString;

/// Reads a text secret; surrounding white space is not part of it.
pub fn read_secret(path: &Path) -> io::Result<SecretString> {
    let text = fs::read_to_string(path)?;
    let secret = text.trim();
    if secret.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} is empty", path.display())));
    }
    Ok(secret.to_owned().into())
}

/// Reads `N` random bytes from a file, creating it (mode 0600) when absent.
/// Two processes that create it at once end with the same content.
pub fn read_or_create_key<const N: usize>(path: &Path) -> io::Result<[u8; N]> {
    match read_key(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_key::<N>(path).and_then(|()| read_key(path))
        }
        found => found,
    }
}

fn read_key<const N: usize>(path: &Path) -> io::Result<[u8; N]> {
    let bytes = fs::read(path)?;
    bytes.try_into().map_err(|bytes: Vec<u8>| {
        let text = format!("{} holds {} bytes, expected {N}", path.display(), bytes.len());
        io::Error::new(io::ErrorKind::InvalidData, text)
    })
}

/// Writes a new key beside its place, then links it there: the first one wins
/// and nobody ever reads half a key.
fn create_key<const N: usize>(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut key = [0_u8; N];
    rand::rng().fill_bytes(&mut key);
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(&key)?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_after_that() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("keys/auth.key");
        let first = read_or_create_key::<32>(&path)?;
        assert_eq!(read_or_create_key::<32>(&path)?, first);
        assert!(read_or_create_key::<16>(&path).is_err(), "a key of another length must be refused");
        Ok(())
    }
}
