using Npgsql;
using NpgsqlTypes;

namespace Matrix.ToDevice;

/// <summary>Statements of the distributed layout: each names one bucket, its first parameter.</summary>
internal static class Statement
{
    /// <summary>A call of a function with so many parameters.</summary>
    public static string Call(PostgreSqlStoreOptions options, string function, int parameters) =>
        $"SELECT {PostgreSqlSchema.Quote(options.Schema)}.{function}({string.Join(", ", Enumerable.Range(1, parameters).Select(n => FormattableString.Invariant($"${n}")))})";

    public static NpgsqlParameter Of<T>(T value) => new NpgsqlParameter<T> { TypedValue = value };

    public static NpgsqlParameter Of(DateTimeOffset value) =>
        new NpgsqlParameter<DateTime> { TypedValue = value.UtcDateTime, NpgsqlDbType = NpgsqlDbType.TimestampTz };
}
