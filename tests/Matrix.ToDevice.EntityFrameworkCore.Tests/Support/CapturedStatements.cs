using System.Data.Common;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace Matrix.ToDevice.Tests;

/// <summary>What contexts say to their database, in order.</summary>
internal sealed class CapturedStatements : DbCommandInterceptor
{
    private readonly List<(string Text, List<object?> Values)> _statements = [];

    public List<(string Text, List<object?> Values)> All
    {
        get
        {
            lock (_statements) return [.. _statements];
        }
    }

    public void Clear()
    {
        lock (_statements) _statements.Clear();
    }

    public override ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result, CancellationToken cancellationToken = default)
    {
        Add(command);
        return new(result);
    }

    public override ValueTask<InterceptionResult<int>> NonQueryExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        Add(command);
        return new(result);
    }

    private void Add(DbCommand command)
    {
        lock (_statements) _statements.Add((command.CommandText, [.. command.Parameters.Cast<DbParameter>().Select(parameter => parameter.Value)]));
    }
}
