/* Values: MessagePack in and out (protocol.md 1.1). */
#include "check.h"
#include "ipfi/ipfi.h"

#include <string.h>

static void check_unsigned(uint64_t value, size_t expected)
{
    uint8_t bytes[16];
    ipfi_writer_t writer = ipfi_writer(bytes, sizeof bytes);
    ipfi_write_u64(&writer, value);
    CHECK(ipfi_written(&writer) == expected);
    ipfi_reader_t reader = ipfi_reader(bytes, ipfi_written(&writer));
    CHECK(ipfi_read_u64(&reader) == value && ipfi_read_end(&reader));
    reader = ipfi_reader(bytes, ipfi_written(&writer));
    CHECK(ipfi_read_u32(&reader) == (value <= UINT32_MAX ? value : 0) && reader.bad == (value > UINT32_MAX));
    reader = ipfi_reader(bytes, ipfi_written(&writer));
    CHECK((uint64_t)ipfi_read_i64(&reader) == (value <= INT64_MAX ? value : 0) && reader.bad == (value > INT64_MAX));
    reader = ipfi_reader(bytes, ipfi_written(&writer));
    CHECK(ipfi_read_i32(&reader) == (value <= INT32_MAX ? (int32_t)value : 0) && reader.bad == (value > INT32_MAX));
    for (size_t cut = 0; cut < ipfi_written(&writer); cut++) {
        reader = ipfi_reader(bytes, cut);
        CHECK(ipfi_read_u64(&reader) == 0 && reader.bad);
    }
}

static void check_signed(int64_t value, size_t expected)
{
    uint8_t bytes[16];
    ipfi_writer_t writer = ipfi_writer(bytes, sizeof bytes);
    ipfi_write_i64(&writer, value);
    CHECK(ipfi_written(&writer) == expected);
    ipfi_reader_t reader = ipfi_reader(bytes, ipfi_written(&writer));
    CHECK(ipfi_read_i64(&reader) == value && ipfi_read_end(&reader));
    reader = ipfi_reader(bytes, ipfi_written(&writer));
    CHECK(ipfi_read_i32(&reader) == (value >= INT32_MIN ? (int32_t)value : 0) && reader.bad == (value < INT32_MIN));
    reader = ipfi_reader(bytes, ipfi_written(&writer));
    CHECK(ipfi_read_u64(&reader) == 0 && reader.bad);
    reader = ipfi_reader(bytes, ipfi_written(&writer));
    CHECK(ipfi_read_u32(&reader) == 0 && reader.bad);
}

static void check_numbers(void)
{
    check_unsigned(0, 1);
    check_unsigned(127, 1);
    check_unsigned(128, 2);
    check_unsigned(255, 2);
    check_unsigned(256, 3);
    check_unsigned(65535, 3);
    check_unsigned(65536, 5);
    check_unsigned(2147483648u, 5);
    check_unsigned(UINT32_MAX, 5);
    check_unsigned((uint64_t)UINT32_MAX + 1, 9);
    check_unsigned(INT64_MAX, 9);
    check_unsigned(UINT64_MAX, 9);
    check_signed(-1, 1);
    check_signed(-32, 1);
    check_signed(-33, 2);
    check_signed(-128, 2);
    check_signed(-129, 3);
    check_signed(INT16_MIN, 3);
    check_signed(INT16_MIN - 1, 5);
    check_signed(INT32_MIN, 5);
    check_signed((int64_t)INT32_MIN - 1, 9);
    check_signed(INT64_MIN, 9);
    static const uint8_t positive_in_signed[] = { 0xD0, 5, 0xD1, 1, 0, 0xD3, 0, 0, 0, 0, 0, 0, 0, 9 };
    ipfi_reader_t reader = ipfi_reader(positive_in_signed, sizeof positive_in_signed);
    CHECK(ipfi_read_u32(&reader) == 5 && ipfi_read_u32(&reader) == 256 && ipfi_read_u64(&reader) == 9);
    CHECK(ipfi_read_end(&reader));
}

static void check_other_types(void)
{
    uint8_t bytes[512];
    uint8_t blob[300];
    size_t size;
    memset(blob, 7, sizeof blob);
    ipfi_writer_t writer = ipfi_writer(bytes, sizeof bytes);
    ipfi_write_nil(&writer);
    ipfi_write_bool(&writer, true);
    ipfi_write_f32(&writer, 1.5f);
    ipfi_write_f64(&writer, -2.25);
    ipfi_write_str(&writer, "hello", 5);
    ipfi_write_bin(&writer, blob, 300);
    ipfi_write_array(&writer, 2);
    ipfi_write_u32(&writer, 1);
    ipfi_write_map(&writer, 0);
    CHECK(!writer.full);
    ipfi_reader_t reader = ipfi_reader(bytes, ipfi_written(&writer));
    CHECK(ipfi_read_nil(&reader) && !ipfi_read_nil(&reader));
    CHECK(ipfi_read_bool(&reader));
    CHECK(ipfi_read_float(&reader) > 1.4 && ipfi_read_float(&reader) < -2.2);
    const char *const text = ipfi_read_str(&reader, &size);
    CHECK(size == 5 && memcmp(text, "hello", 5) == 0);
    CHECK(memcmp(ipfi_read_bin(&reader, &size), blob, 300) == 0 && size == 300);
    CHECK(ipfi_read_array(&reader) == 2 && ipfi_read_u32(&reader) == 1 && ipfi_read_map(&reader) == 0);
    CHECK(ipfi_read_end(&reader));
    reader = ipfi_reader(bytes, ipfi_written(&writer));
    for (size_t i = 0; i < 7; i++) { (void)ipfi_read_skip(&reader, &size); }
    CHECK(ipfi_read_end(&reader) && size == 3);
}

/* VAL-4 */
static void check_nesting_is_bounded(void)
{
    uint8_t bytes[IPFI_NESTING + 2];
    size_t size;
    memset(bytes, 0x91, sizeof bytes);
    bytes[IPFI_NESTING] = 0xC0;
    ipfi_reader_t reader = ipfi_reader(bytes, IPFI_NESTING + 1);
    CHECK(ipfi_read_skip(&reader, &size) == bytes && size == IPFI_NESTING + 1 && ipfi_read_end(&reader));
    bytes[IPFI_NESTING] = 0x91;
    bytes[IPFI_NESTING + 1] = 0xC0;
    reader = ipfi_reader(bytes, IPFI_NESTING + 2);
    (void)ipfi_read_skip(&reader, &size);
    CHECK(reader.bad && size == 0);
}

/* Lengths that lie cost nothing: MSG-4 in small. */
static void check_lengths_that_lie(void)
{
    static const uint8_t lies[][6] = {
        { 0xDB, 0xFF, 0xFF, 0xFF, 0xFF, 1 }, { 0xC6, 0x80, 0, 0, 0, 1 }, { 0xDD, 0xFF, 0xFF, 0xFF, 0xFF, 1 },
        { 0xDF, 0xFF, 0xFF, 0xFF, 0xFF, 1 }, { 0xC9, 0x7F, 0xFF, 0xFF, 0xFF, 1 }, { 0xC1, 0, 0, 0, 0, 0 },
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        size_t size;
        ipfi_reader_t reader = ipfi_reader(lies[i], sizeof lies[i]);
        (void)ipfi_read_skip(&reader, &size);
        CHECK(reader.bad && size == 0);
        reader = ipfi_reader(lies[i], sizeof lies[i]);
        (void)ipfi_read_str(&reader, &size);
        CHECK(reader.bad && size == 0);
    }
}

static void check_a_full_writer_writes_no_part_of_a_value(void)
{
    uint8_t bytes[5];
    ipfi_writer_t writer = ipfi_writer(bytes, sizeof bytes);
    ipfi_write_u32(&writer, 1);
    ipfi_write_str(&writer, "four", 4);
    CHECK(writer.full && ipfi_written(&writer) == 1);
    ipfi_write_u32(&writer, 2);
    CHECK(ipfi_written(&writer) == 1);
}

void test_values(void)
{
    check_numbers();
    check_other_types();
    check_nesting_is_bounded();
    check_lengths_that_lie();
    check_a_full_writer_writes_no_part_of_a_value();
}
