//! The roles and databases of the services: one of each per service.

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::error::PostgresError;
use super::place::Place;

/// The one account that `initdb` makes.
const SUPERUSER: &str = "postgres";

/// A service's database; its role has the same name and owns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Database {
    name: &'static str,
    create_role: &'static str,
    create: &'static str,
    close: &'static str,
}

/// Statements about roles and databases take no binds, so they are put together by the compiler.
macro_rules! database {
    ($name:literal) => {
        Database {
            name: $name,
            create_role: concat!("create role ", $name, " login"),
            create: concat!("create database ", $name, " owner ", $name),
            close: concat!("revoke all on database ", $name, " from public"),
        }
    };
}

/// auth-service's.
pub const AUTH: Database = database!("auth");
/// calendar-service's.
pub const CALENDAR: Database = database!("calendar");
/// notification-service's.
pub const NOTIFICATION: Database = database!("notification");
/// activity-service's.
pub const ACTIVITY: Database = database!("activity");
/// Every service's.
pub const ALL: [Database; 4] = [AUTH, CALENDAR, NOTIFICATION, ACTIVITY];

impl Database {
    /// The URL for a pool: over the socket, as the service's role.
    pub fn url(self, place: &Place) -> String {
        let name = self.name;
        let folder = percent_encoded(&place.sockets.to_string_lossy());
        format!("postgres://{name}@localhost:5432/{name}?host={folder}&sslmode=disable")
    }
}

/// Creates what is missing of every service's role and database. Each step looks first, so a start
/// that was killed half-way is completed by the next.
pub(super) async fn provision(place: &Place) -> Result<(), PostgresError> {
    let mut connection = connect(place).await?;
    for database in ALL {
        // Looked at first: at all starts but one there is nothing to write.
        let found = sqlx::query!(
            r#"select
                exists (select from pg_roles where rolname = $1) as "role!",
                exists (select from pg_database where datname = $1) as "database!",
                exists (
                    select from pg_database
                    where datname = $1 and not has_database_privilege('public', oid, 'connect')
                ) as "closed!""#,
            database.name
        );
        let found = found.fetch_one(&mut connection).await?;
        for (done, statement) in [
            (found.role, database.create_role),
            (found.database, database.create),
            (found.closed, database.close),
        ] {
            if !done {
                sqlx::raw_sql(statement).execute(&mut connection).await?;
            }
        }
    }
    connection.close().await?;
    Ok(())
}

/// Whether the server that answers on the socket is the one with our data.
pub(super) async fn answers(place: &Place) -> bool {
    let Ok(mut connection) = connect(place).await else {
        return false;
    };
    let data = sqlx::query_scalar!(r#"select current_setting('data_directory') as "data!""#)
        .fetch_one(&mut connection)
        .await;
    // Whether the goodbye arrives says nothing more about the server.
    let _ = connection.close().await;
    data.is_ok_and(|data| data.as_str() == place.data.to_string_lossy())
}

/// The superuser's connection. Nothing is taken from `PG…` variables that would lead elsewhere.
async fn connect(place: &Place) -> Result<PgConnection, sqlx::Error> {
    PgConnectOptions::new_without_pgpass()
        .socket(&place.sockets)
        .port(5432)
        .username(SUPERUSER)
        .database(SUPERUSER)
        .ssl_mode(PgSslMode::Disable)
        .connect()
        .await
}

/// `text` as a value in a URL's query.
fn percent_encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(byte);
    text.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_survives_the_url() {
        assert_eq!(percent_encoded("/a b/ü&c=%"), "/a%20b/%C3%BC%26c%3D%25");
    }
}
