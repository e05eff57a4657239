namespace LocalHomeserver.Tests;

/// <summary>Changes JSON at one to four places: a name or a value becomes another one, or comes twice, or goes.</summary>
internal static class Mutation
{
    private static readonly string[] s_tokens =
    [
        "null", "true", "false", "0", "1", "-1", "-0", "-0.0", "1e3", "1E3", "1.0", "1.5", "1e-3", "1e999", "-1e999", "9007199254740991",
        "9007199254740992", "9223372036854775808", "1e30", "1000000000000000000000000000000", "0.1e1", "123456789012345678901234567890.5",
        "[]", "{}", "\"\"", "[[]]", "[null]", "[1,\"a\",{}]", "{\"\":null}", "{\"a\":{}}",
    ];

    private static readonly int[] s_depths = [10, 60, 64, 65, 100, 119, 120, 121, 130, 500, 512, 513, 1000, 5000];

    public static JsonTree Of(JsonTree template, Random random)
    {
        var json = template.Clone();
        // Few places rather than many: the more are changed, the earlier it is refused.
        for (var times = random.Next(1, random.Next(2, 6)); times > 0; times--)
        {
            var places = new List<Place>();
            Collect(json, places);
            if (places.Count == 0 || (random.Next(100) == 0)) return Value(json, random) ?? json;
            var place = places[random.Next(places.Count)];
            if (place.Members is { } members) ChangeMember(members, place.Index, random);
            else ChangeItem(place.Items!, place.Index, random);
        }

        return json;
    }

    private static void Collect(JsonTree json, List<Place> places)
    {
        for (var i = 0; i < json.Members?.Count; i++)
        {
            places.Add(new Place(json.Members, null, i));
            Collect(json.Members[i].Value, places);
        }

        for (var i = 0; i < json.Items?.Count; i++)
        {
            places.Add(new Place(null, json.Items, i));
            Collect(json.Items[i], places);
        }
    }

    private static void ChangeMember(List<(Spelled Name, JsonTree Value)> members, int index, Random random)
    {
        var (name, value) = members[index];
        switch (random.Next(12))
        {
            case 0 or 1 or 2:
                members[index] = (new Spelled(NastyText.InsteadOf(name.Text, random), AnySpelling(random)), value);
                break;
            case 3:
                members[index] = (name with { Spelling = AnySpelling(random) }, value);
                break;
            case 4:
                members.Insert(random.Next(2) == 0 ? index : index + 1, (name with { Spelling = AnySpelling(random) }, Value(value, random) ?? value.Clone()));
                break;
            case 5:
                members.Insert(random.Next(2) == 0 ? index : index + 1, (new Spelled(NastyText.InsteadOf(name.Text, random), AnySpelling(random)), value.Clone()));
                break;
            default:
                if (Value(value, random) is { } other) members[index] = (name, other);
                else members.RemoveAt(index);
                break;
        }
    }

    private static void ChangeItem(List<JsonTree> items, int index, Random random)
    {
        if (random.Next(10) == 0) items.Insert(index, items[index].Clone());
        else if (Value(items[index], random) is { } other) items[index] = other;
        else items.RemoveAt(index);
    }

    /// <summary>What comes in a value's place; null for nothing.</summary>
    private static JsonTree? Value(JsonTree value, Random random) => random.Next(10) switch
    {
        0 or 1 or 2 => new JsonTree { Text = new Spelled(NastyText.InsteadOf(value.Text?.Text ?? "", random), AnySpelling(random)) },
        3 when value.Text is { } text => new JsonTree { Text = text with { Spelling = AnySpelling(random) } },
        3 or 4 or 5 => JsonTree.OfToken(s_tokens[random.Next(s_tokens.Length)]),
        6 => Deep(random),
        7 => new JsonTree { Items = [value.Clone()] },
        8 => new JsonTree { Members = [(new Spelled(NastyText.InsteadOf("key", random), AnySpelling(random)), value.Clone())] },
        _ => null,
    };

    private static JsonTree Deep(Random random)
    {
        var depth = s_depths[random.Next(s_depths.Length)];
        return JsonTree.OfToken(random.Next(2) == 0
            ? new string('[', depth) + new string(']', depth)
            : string.Concat(Enumerable.Repeat("{\"a\":", depth)) + "1" + new string('}', depth));
    }

    private static Spelling AnySpelling(Random random) => (Spelling)random.Next(3);

    private readonly record struct Place(List<(Spelled Name, JsonTree Value)>? Members, List<JsonTree>? Items, int Index);
}
