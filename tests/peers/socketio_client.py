"""python-socketio as a child process: one JSON object a line, orders on stdin, what happens on stdout.

python socketio_client.py URL TOKEN TRANSPORT       the same lines as socketio_client.cjs
"""

import asyncio
import json
import sys

import socketio


def say(**line):
    print(json.dumps(line), flush=True)


async def main(url, token, transports):
    client = socketio.AsyncClient(reconnection=False)

    @client.event
    async def connect():
        say(connected=client.get_sid(), transport=client.transport())

    @client.event
    async def connect_error(data):
        say(refused=data["message"] if isinstance(data, dict) else str(data))

    @client.event
    async def disconnect(reason):
        say(ended=str(reason))

    @client.on("*")
    async def heard(name, payload=None):
        say(heard=name, payload=payload)

    try:
        await client.connect(url, transports=transports.split(","), auth={"token": token} if token else {})
    except socketio.exceptions.ConnectionError as refusal:
        # Said by connect_error already, unless nothing answered at all.
        say(gone=str(refusal))
        return

    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    async for line in orders:
        order = json.loads(line)
        if order.get("disconnect"):
            await client.disconnect()
        elif "id" in order:
            # Sent here, in the order of the lines; the ack comes when it comes.
            number = order["id"]
            await client.emit(
                order["emit"], order["payload"], callback=lambda value=None, n=number: say(ack=n, value=value)
            )
        else:
            await client.emit(order["emit"], order["payload"])


asyncio.run(main(*sys.argv[1:4]))
