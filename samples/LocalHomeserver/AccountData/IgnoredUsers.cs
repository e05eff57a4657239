using System.Text.Json;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>The library's question whom a user ignores, answered from the user's account data.</summary>
internal sealed class IgnoredUsers(AccountData accountData) : IIgnoredUsers
{
    // <ignored-users>
    public async ValueTask<IReadOnlySet<string>> FindAsync(string userId, CancellationToken cancellationToken)
    {
        var content = await accountData.FindAsync(userId, "m.ignored_user_list", cancellationToken);
        if (content is null) return new HashSet<string>();

        // The user's own client has written it: what is not of its form ignores nobody.
        return KeyJson.Member(JsonElement.Parse(content), "ignored_users") is { ValueKind: JsonValueKind.Object } users
            ? users.EnumerateObject().Select(user => user.Name).ToHashSet()
            : new HashSet<string>();
    }
    // </ignored-users>
}
