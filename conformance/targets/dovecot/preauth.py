"""inetd for one program: each connection to ADDRESS PORT gets it as its standard input and output.

preauth.py ADDRESS PORT USER COMMAND...: so that imap greets who comes as somebody known already."""
import socket
import subprocess
import sys

address, port, user, *command = sys.argv[1:]
listener = socket.create_server((address, int(port)), backlog=16)
children = []
while True:
    connection, _ = listener.accept()
    children = [child for child in children if child.poll() is None]
    children.append(subprocess.Popen(command, stdin=connection, stdout=connection,
                                     user=user, group=user, extra_groups=[]))
    connection.close()
