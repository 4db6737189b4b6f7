"""Values without SQL, sockets or clocks: statuses, orders, videos, attempts, money."""
