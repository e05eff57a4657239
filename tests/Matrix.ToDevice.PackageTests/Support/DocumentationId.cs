using System.Reflection;

namespace Matrix.ToDevice.Tests;

/// <summary>The name by which a file of documentation comments knows a member.</summary>
internal static class DocumentationId
{
    public static string Of(MemberInfo member) => member switch
    {
        Type type => $"T:{Name(type)}",
        MethodBase method => $"M:{In(method)}{Generic(method)}{Parameters(method.GetParameters())}{Result(method)}",
        PropertyInfo property => $"P:{In(property)}{Parameters(property.GetIndexParameters())}",
        FieldInfo field => $"F:{In(field)}",
        EventInfo one => $"E:{In(one)}",
        _ => throw new NotSupportedException($"{member.MemberType} {member}"),
    };

    // Explicit implementations and constructors have dots in their names.
    private static string In(MemberInfo member) => $"{Name(member.DeclaringType!)}.{member.Name.Replace('.', '#')}";

    private static string Name(Type type) => type.FullName!.Replace('+', '.');

    private static string Generic(MethodBase method) => method.IsGenericMethod ? $"``{method.GetGenericArguments().Length}" : "";

    private static string Parameters(ParameterInfo[] parameters) =>
        parameters.Length == 0 ? "" : $"({string.Join(',', parameters.Select(parameter => Reference(parameter.ParameterType)))})";

    private static string Result(MethodBase method) =>
        method is MethodInfo { Name: "op_Implicit" or "op_Explicit" } conversion ? $"~{Reference(conversion.ReturnType)}" : "";

    private static string Reference(Type type)
    {
        if (type.IsByRef) return $"{Reference(type.GetElementType()!)}@";
        if (type.IsPointer) return $"{Reference(type.GetElementType()!)}*";
        if (type.IsArray) return $"{Reference(type.GetElementType()!)}[{Dimensions(type.GetArrayRank())}]";
        if (type.IsGenericParameter) return $"{(type.DeclaringMethod is null ? "`" : "``")}{type.GenericParameterPosition}";
        if (!type.IsGenericType) return Name(type);

        // Each type has the arguments of those around it too, and says its own.
        var arguments = type.GetGenericArguments();
        var name = type.GetGenericTypeDefinition().FullName!.Split('+').Aggregate((Text: "", Used: 0), (sofar, part) =>
        {
            var own = part.Split('`') is [_, var count] ? int.Parse(count, System.Globalization.CultureInfo.InvariantCulture) : 0;
            var list = own == 0 ? "" : $"{{{string.Join(',', arguments.Skip(sofar.Used).Take(own).Select(Reference))}}}";
            return ($"{sofar.Text}{(sofar.Text.Length > 0 ? "." : "")}{part.Split('`')[0]}{list}", sofar.Used + own);
        });
        return name.Text;
    }

    private static string Dimensions(int rank) => rank == 1 ? "" : string.Join(',', Enumerable.Repeat("0:", rank));
}
