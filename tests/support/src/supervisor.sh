# Runs one PostgreSQL server for a test process, and outlives that process just long enough to clean up.
#
# Standard input is a pipe that only the test process holds open. A line on it is an order; its end means that
# the test process is gone, however it went.
#
# $1: the postgres program, $2: the server's folder, which is also the current one.
postgres=$1
folder=$2

# The file `exited` appears when the server has ended, whoever ended it.
start() {
    (
        "$postgres" -D "$folder/data" </dev/null >>"$folder/log" 2>&1 &
        echo $! >pid.new && mv pid.new pid
        wait $!
        echo $? >exited
    ) &
}

signal() {
    [ -e exited ] || kill -"$1" "$(cat pid)" 2>/dev/null
}

# Linux names the server's children, so that all of them die at one stroke, as in a power cut. Elsewhere they
# notice by themselves that their parent is gone.
kill_hard() {
    server=$(cat pid)
    # shellcheck disable=SC2046
    kill -KILL "$server" $(cat "/proc/$server/task/$server/children" 2>/dev/null) 2>/dev/null
}

while read -r order; do
    case $order in
    start) start ;;
    kill) kill_hard ;;
    esac
done

# A folder that is kept deserves an orderly shutdown; for one that is thrown away the quick way is good enough.
if [ -e keep ]; then signal INT; else signal QUIT; fi
tenths=0
while [ -e pid ] && [ ! -e exited ] && [ $tenths -lt 100 ]; do
    sleep 0.1
    tenths=$((tenths + 1))
done
[ -e exited ] || kill_hard
# Whoever writes `exited` must be done before the folder goes, or the file would bring the folder back.
wait
cd / && { [ -e "$folder/keep" ] || rm -rf "$folder"; }
