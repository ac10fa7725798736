#!/usr/bin/env python3
"""Writes grafana/dashboards/*.json, which are checked in.

    grafana/dashboards.py           after a change to this file
    grafana/dashboards.py --check   says whether the files are what this one says (`make lint` asks)

A dashboard is a list of panels, a panel a title, a unit, and queries with their legends; where a panel stands is
worked out. A dashboard named after a service is about that service alone. tests/tests/dashboards.rs runs every
query on the real system, so each must have a series as soon as the system has done some work: divide by what
always moves, and do not filter for what happens rarely.
"""

import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent / "dashboards"
COLUMNS, WIDTH, HEIGHT = 3, 8, 8
# Answers for which the service is to blame, by their gRPC names.
RPC_FAULTS = "Unknown|DeadlineExceeded|Unimplemented|Internal|Unavailable|DataLoss"


def panel(title, unit, *queries, about=""):
    """`queries` are pairs: an expression, and how its series are called."""
    return {"title": title, "unit": unit, "queries": queries, "about": about}


def rate(metric, by="", where=""):
    """How often a second, all instances together."""
    grouped = f"sum by ({by})" if by else "sum"
    return f"{grouped} (rate({metric}{selector(where)}[$__rate_interval]))"


def selector(where=""):
    return "{" + ", ".join(filter(None, [where, 'instance=~"$instance"'])) + "}"


def total(metric, by="", where=""):
    grouped = f"sum by ({by})" if by else "sum"
    return f"{grouped} ({metric}{selector(where)})"


def worst(metric, by="", where=""):
    """Where every instance tells the same, such as what the database knows."""
    grouped = f"max by ({by})" if by else "max"
    return f"{grouped} ({metric}{selector(where)})"


def quantile(q, metric, by="", where=""):
    grouped = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, {rate(metric + '_bucket', grouped, where)})"


def times(metric, by="", where=""):
    """The median and the slow end, or the slow end of each."""
    if by:
        return [(quantile(0.99, metric, by, where), "{{" + by + "}}")]
    return [(quantile(q, metric, "", where), f"p{int(q * 100)}") for q in (0.5, 0.99)]


def share_that_failed(metric, bad, by="", where=""):
    """0, not nothing, where nothing fails."""
    bad = ", ".join(filter(None, [where, bad]))
    everything = rate(metric, by, where)
    return f"({rate(metric, by, bad)} or 0 * {everything}) / {everything}"


def rare(expression):
    """What may never have happened yet: 0 then. (Lint knows the name; the test cannot.)"""
    return f"{expression} or 0 * sum (up)"


def rpc(service):
    """Rate, errors and duration of a service's gRPC methods, and its pool: the same for every service."""
    mine = f'service="{service}"'
    bad = f'code=~"{RPC_FAULTS}"'
    return [
        panel("Calls by method", "reqps", (rate("grpc_server_handled_total", "method", mine), "{{method}}")),
        panel("Calls that failed, by method", "percentunit",
              (share_that_failed("grpc_server_handled_total", bad, "method", mine), "{{method}}"),
              about=f"Statuses {RPC_FAULTS.replace('|', ', ')}. What the caller did wrong does not count."),
        panel("Time of a call, p99 by method", "s", *times("grpc_server_handling_seconds", "method", mine)),
        panel("Answers by status", "reqps", (rate("grpc_server_handled_total", "code", mine), "{{code}}")),
        panel("Database connections", "short",
              (total("database_connections", "state", mine), "{{state}}"),
              (total("database_connections_max", "", mine), "at most")),
        panel("Panics and restarted loops", "short",
              (f"sum (increase(handler_panics_total{selector(mine)}[1h]))", "panics, last hour"),
              (f"sum (increase(background_task_deaths_total{selector(mine)}[1h]))", "loops, last hour")),
    ]


OVERVIEW = [
    panel("Instances", "short", ('sum by (job) (up{instance=~"$instance"})', "{{job}}")),
    panel("Requests", "reqps", (rate("gateway_requests_total"), "all")),
    panel("Requests that failed", "percentunit",
          (share_that_failed("gateway_requests_total", 'status=~"5.."'), "5xx")),
    panel("Time of a request", "s", *times("gateway_request_seconds", where='route!~"/ws|/socket.io.*"')),
    panel("Open sockets", "short",
          (total("gateway_tunnels"), "through the gateways"), (total("socket_connections"), "in rooms' instances")),
    panel("Changes of calendars", "ops", (rate("calendar_changes_total", "kind"), "{{kind}}")),
    panel("Calls between services that failed", "percentunit",
          (share_that_failed("grpc_server_handled_total", f'code=~"{RPC_FAULTS}"', "service"), "{{service}}")),
    panel("Sagas that are not over", "short", (worst("calendar_sagas", "state"), "{{state}}")),
    panel("Oldest message that is not delivered", "s",
          (worst("outbox_oldest_seconds"), "of calendar-service"),
          (worst("auth_outbox_oldest_seconds"), "of auth-service")),
    panel("Use of the pools", "percentunit",
          (total("database_connections", "service", 'state="used"') + " / "
           + total("database_connections_max", "service"), "{{service}}")),
    panel("Standbys behind the primary", "s", (worst("database_standby_lag_seconds", "standby"), "{{standby}}")),
    panel("Panics and restarted loops", "short",
          (f"sum by (service) (increase(handler_panics_total{selector()}[1h]))", "panics of {{service}}, last hour"),
          (f"sum by (service) (increase(background_task_deaths_total{selector()}[1h]))",
           "loops of {{service}}, last hour")),
]

GATEWAY = [
    panel("Requests by route", "reqps", (rate("gateway_requests_total", "route"), "{{route}}")),
    panel("Answers by status", "reqps", (rate("gateway_requests_total", "status"), "{{status}}")),
    panel("Requests that failed, by route", "percentunit",
          (share_that_failed("gateway_requests_total", 'status=~"5.."', "route"), "{{route}}")),
    panel("Time of a request, p99 by route", "s",
          *times("gateway_request_seconds", "route", 'route!~"/ws|/socket.io.*"')),
    panel("Time of a request", "s", *times("gateway_request_seconds", where='route!~"/ws|/socket.io.*"')),
    panel("Sockets that pass through", "short", (total("gateway_tunnels", "instance"), "{{instance}}")),
    panel("Who told whether a session lives", "reqps", (rate("gateway_session_lookups_total", "layer"), "{{layer}}")),
    panel("Sessions found in a cache", "percentunit",
          (rate("gateway_session_lookups_total", "", 'layer!="authority"') + " / "
           + rate("gateway_session_lookups_total"), "hits")),
    panel("Redis has not heard of", "short",
          (total("gateway_session_tombstones_waiting"), "ended sessions"),
          (rate("gateway_session_fills_dropped_total"), "live sessions a second, not cached")),
    panel("Calls to services", "reqps",
          (rate("gateway_upstream_calls_total", "upstream, code"), "{{upstream}}: gRPC status {{code}}")),
    panel("Calls tried once more", "percentunit",
          (rate("gateway_upstream_retries_total", "upstream") + " / "
           + rate("gateway_upstream_calls_total", "upstream"), "{{upstream}}"),
          about="At most a fifth: retries have a budget."),
    panel("Breakers that are not closed", "short",
          (total("gateway_endpoint_breaker", "upstream, endpoint, state", 'state!="closed"'),
           "{{upstream}} {{endpoint}}: {{state}}"), about="Instances of gateways that see it so."),
    panel("Calls and tunnels under way", "short",
          (total("gateway_endpoint_pending", "upstream, endpoint"), "{{upstream}} {{endpoint}}")),
    panel("Failures and second tries, by instance", "ops",
          (rate("gateway_endpoint_failures_total", "upstream, endpoint"), "{{upstream}} {{endpoint}} failed"),
          (rate("gateway_endpoint_retries_total", "upstream, endpoint"), "{{upstream}} {{endpoint}} tried once more")),
    panel("Calls shed", "ops", (rate("gateway_upstream_shed_total", "upstream"), "{{upstream}}")),
    panel("Refused by a rate limit", "reqps", (rate("gateway_limit_refused_total", "budget"), "{{budget}}")),
    panel("Clients and accounts that are counted", "short",
          (total("gateway_limit_keys", "instance"), "{{instance}}"),
          (rate("gateway_limit_keys_evicted_total"), "forgotten early, a second")),
]

AUTH = [
    panel("Logins by outcome", "reqps", (rate("auth_logins_total", "outcome"), "{{outcome}}")),
    panel("Accounts", "short",
          (f"sum (increase(auth_registrations_total{selector()}[1h]))", "made, last hour"),
          (f"sum (increase(auth_removals_total{selector()}[1h]))", "removed, last hour")),
    panel("Password hashes that wait", "short", (total("auth_hash_queue", "instance"), "{{instance}}"),
          about="At most 64 an instance; more are refused with 503."),
    panel("Time of a password hash", "s", *times("auth_hash_seconds")),
    panel("Password hashes refused", "reqps", (rate("auth_hash_refused_total"), "refused")),
    panel("Signing keys", "short", (total("auth_signing_keys", "instance"), "{{instance}}")),
    panel("Messages to other services", "short", (worst("auth_outbox_waiting"), "wait")),
    panel("Oldest of them", "s", (worst("auth_outbox_oldest_seconds"), "age")),
    panel("Tries to deliver one", "ops", (rate("auth_outbox_sent_total", "outcome"), "{{outcome}}")),
    *rpc("auth"),
]

ROOMS = [
    panel("Open sockets", "short", (total("socket_connections", "instance"), "{{instance}}")),
    panel("Rooms that somebody is in", "short", (total("socket_rooms", "instance"), "{{instance}}")),
    panel("Frames", "ops",
          (rate("socket_frames_in_total"), "from clients"), (rate("socket_frames_out_total"), "to clients")),
    panel("Bytes kept for slow readers", "bytes", (total("socket_queued_bytes", "instance"), "{{instance}}")),
    panel("Gaps, and clients sent to read anew", "ops",
          (rate("socket_gaps_total"), "gaps read from the log"), (rate("socket_resyncs_total"), "resyncs")),
    panel("The bus between instances", "ops",
          (rate("room_bus_published_total"), "published"), (rate("room_bus_heard_total"), "heard"),
          (rare(rate("room_bus_lost_total", "why")), "lost: {{why}}"),
          (rare(rate("room_bus_missed_total")), "maybe missed: the log is read")),
    panel("Instances that hear the bus", "short", (total("room_bus_healthy"), "instances")),
    panel("Sockets closed by us, by code", "ops", (rate("socket_closes_total", "code"), "{{code}}")),
    panel("Messages", "ops", (rate("socket_messages_total"), "kept")),
    panel("Messages a commit", "short",
          (rate("socket_messages_total") + " / " + rate("socket_message_commits_total"), "messages")),
    panel("Changes", "ops", (rate("calendar_changes_total", "kind"), "{{kind}}")),
    panel("Calendar passwords that wait", "short", (total("password_hashes_waiting", "instance"), "{{instance}}")),
    panel("Time of a password hash", "s", *times("password_hash_seconds")),
    panel("Password hashes refused", "reqps", (rate("password_hashes_refused_total"), "refused")),
    *rpc("calendar"),
]

PARTICIPANTS = 'method=~"auth.v1.Participant.*"'
SAGA = [
    panel("Sagas that are not over", "short", (worst("calendar_sagas", "state"), "{{state}}"),
          about="What needs attention is tried on, but a person should look."),
    panel("Oldest of them", "s", (worst("calendar_saga_oldest_seconds"), "age")),
    panel("Ended, by outcome", "ops", (rate("calendar_saga_seconds_count", "outcome"), "{{outcome}}")),
    panel("From create_event to the outcome, p99", "s", *times("calendar_saga_seconds", "outcome")),
    panel("Parked", "short", (f"sum (increase(calendar_sagas_parked_total{selector()}[1h]))", "last hour")),
    panel("Messages after commit", "short", (worst("outbox_depth"), "wait")),
    panel("Oldest of them", "s", (worst("outbox_oldest_seconds"), "age")),
    panel("Deliveries that failed and come again", "ops",
          (rare(rate("outbox_failures_total", "kind")), "{{kind}}")),
    panel("Participants' calls", "reqps",
          (rate("grpc_server_handled_total", "method, code", PARTICIPANTS), "{{method}} {{code}}")),
    panel("Time of such a call, p99", "s", *times("grpc_server_handling_seconds", "method", PARTICIPANTS)),
]

NOTIFICATION = [
    panel("Overdue and not claimed", "short", (worst("due_backlog"), "timers and reminders")),
    panel("Oldest of them", "s", (worst("due_oldest_seconds"), "overdue")),
    panel("Late by, at the first attempt", "s",
          *times("due_lateness_seconds"), *times("due_lateness_seconds", "kind")),
    panel("Attempts by kind and result", "ops",
          (rate("due_deliveries_total", "kind, result"), "{{kind}}: {{result}}")),
    panel("Leases lost", "ops", (rare(rate("due_leases_lost_total", "instance")), "{{instance}}"),
          about="Claims that ran out before they could be recorded: the attempt is repeated with the same id."),
    panel("Claims held", "short", (total("due_in_flight", "instance"), "{{instance}}")),
    panel("Near moments in memory", "short", (total("due_wheel_moments", "instance"), "{{instance}}")),
    panel("Webhooks refused for their address", "ops", (rare(rate("webhook_refused_total")), "refused")),
    panel("Idle connections to webhooks", "short", (total("webhook_idle_connections", "instance"), "{{instance}}")),
    *rpc("notification"),
]

ACTIVITY = [
    panel("Events by lane", "ops", (rate("activity_events_total", "lane"), "{{lane}}")),
    panel("Events by type", "ops", (rate("activity_events_total", "type"), "{{type}}")),
    panel("Events repeated and refused", "ops",
          (rare(rate("activity_events_repeated_total")), "there before"),
          (rare(rate("activity_events_refused_total")), "none at all")),
    panel("Events that the rules have not seen", "short", (worst("activity_inbox_depth"), "wait")),
    panel("Oldest of them", "s", (worst("activity_inbox_oldest_seconds"), "age")),
    panel("Rules", "ops",
          (rate("activity_rule_firings_total", "rule"), "{{rule}} fired"),
          (rare(rate("activity_rule_cancellations_total", "rule")), "{{rule}} cancelled")),
    panel("Notifications by outcome", "ops", (rate("activity_notifications_total", "outcome"), "{{outcome}}")),
    panel("Notifications that wait", "short", (worst("activity_notifications_waiting", "state"), "{{state}}")),
    panel("Oldest that is due", "s", (worst("activity_notifications_oldest_seconds"), "age")),
    panel("Relay: the gap", "short", (rare(total("relay_gap_events")), "events wait for the one that is missing")),
    panel("Relay: age of the gap", "s", (rare(worst("relay_gap_age_seconds")), "age")),
    panel("Relay: packs in the queue", "short",
          (rare(worst("relay_queue_packs")), "in the broker"),
          (rare(total("relay_unacknowledged_packs")), "not in a snapshot yet")),
    panel("Relay: clients and sources", "short",
          (rare(total("relay_clients")), "clients"), (rare(total("relay_sources")), "sources"),
          (rare(total("relay_leads")), "leaders")),
    panel("Relay: clients dropped", "ops", (rare(rate("relay_clients_dropped_total", "reason")), "{{reason}}")),
    panel("Relay: notifications", "ops",
          (rare(rate("relay_notifications_total")), "sent"), (rare(rate("relay_duplicates_total")), "duplicates"),
          (rare(rate("relay_malformed_total")), "malformed lines"), (rare(rate("relay_skipped_total")), "skipped")),
    *rpc("activity"),
]

DASHBOARDS = {
    "overview": ("Overview", OVERVIEW),
    "gateway": ("Gateway", GATEWAY),
    "auth": ("Accounts and sessions", AUTH),
    "calendar": ("Calendar rooms", ROOMS),
    "notification": ("Timers, webhooks, reminders", NOTIFICATION),
    "activity": ("Activity and relay", ACTIVITY),
    "saga": ("Sagas and messages between services", SAGA),
}


def rendered(name, title, panels):
    return {
        "uid": f"shared-calendar-{name}",
        "title": f"Shared Calendar: {title}",
        "tags": ["shared-calendar"],
        "editable": False,
        "schemaVersion": 38,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "links": [{"type": "dashboards", "tags": ["shared-calendar"], "title": "Dashboards", "asDropdown": False}],
        "templating": {"list": [
            {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
            {
                "name": "instance", "label": "Instance", "type": "query",
                "datasource": {"type": "prometheus", "uid": "${datasource}"},
                "query": {"query": "label_values(up, instance)", "refId": "instance"},
                "refresh": 2, "sort": 1, "multi": True, "includeAll": True, "allValue": ".*",
                "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
            },
        ]},
        "panels": [rendered_panel(index, one) for index, one in enumerate(panels)],
    }


def rendered_panel(index, one):
    return {
        "id": index + 1,
        "type": "timeseries",
        "title": one["title"],
        "description": one["about"],
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": {
            "x": index % COLUMNS * WIDTH, "y": index // COLUMNS * HEIGHT, "w": WIDTH, "h": HEIGHT,
        },
        "fieldConfig": {
            "defaults": {
                "unit": one["unit"], "min": 0,
                "custom": {"fillOpacity": 8, "showPoints": "never", "spanNulls": False},
            },
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {"refId": chr(ord("A") + n), "expr": expression, "legendFormat": legend}
            for n, (expression, legend) in enumerate(one["queries"])
        ],
    }


def main():
    wanted = {
        FOLDER / f"{name}.json": json.dumps(rendered(name, *content), indent=1, ensure_ascii=False) + "\n"
        for name, content in DASHBOARDS.items()
    }
    there = {path: path.read_text() for path in FOLDER.glob("*.json")}
    if sys.argv[1:] == ["--check"]:
        stale = sorted(path.name for path in wanted.keys() | there.keys() if wanted.get(path) != there.get(path))
        if stale:
            sys.exit(f"error: {', '.join(stale)}: not what grafana/dashboards.py says; run it and commit the files")
        return
    for path in there.keys() - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
