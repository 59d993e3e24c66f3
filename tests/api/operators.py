"""Name the headers that whoever sits at the machine sends to /admin/api while no key exists."""

from api.auth.admin_guard import ADMIN_HEADER

OPERATOR = {"Origin": "http://localhost", ADMIN_HEADER: "1"}
