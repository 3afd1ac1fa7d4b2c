# Routes with iproute2, the start of the process included: batch | dump.
amount=$3
now() { date +%s%N; }
case $1 in
batch)
  file=$2.batch
  seq 0 $((amount - 1)) | awk '{ printf "route add 10.%d.%d.%d dev lo scope link proto static\n", int($1 / 65536) % 256, int($1 / 256) % 256, $1 % 256 }' > "$file"
  start=$(now)
  ip -batch "$file" || exit 1
  end=$(now)
  echo "{\"value\":$((amount * 1000000000 / (end - start)))}"
  ;;
dump)
  start=$(now)
  ip -4 route show > /dev/null || exit 1
  end=$(now)
  echo "{\"value\":$(((end - start) / 1000000))}"
  ;;
esac
